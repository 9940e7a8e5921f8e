//! The meaning of a failed statement: nothing was written, or the outcome is unclear.
//!
//! Every statement is its own transaction. The server's report that it failed is final, except for the errors
//! with which a server ends a connection: those can come after the commit.

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::store::error::Cause;
pub(crate) use crate::store::failure::Failure;

impl Failure {
    /// Tells whether the connection may still be used.
    pub(crate) fn leaves_session(&self) -> bool {
        // 25006, read-only: the server is a standby now, or an operator has closed the database for writing.
        matches!(self, Self::Refused { code, .. } if code != "25006" && code != ENDED_BY_OPERATOR)
    }

    /// Tells whether the session was ended before its statement was done, so that another session can run it.
    pub(super) fn ended_without_effect(&self) -> bool {
        self.has_code(&[ENDED_BY_OPERATOR])
    }

    /// Converts an error that arrived before the server reported the statement as done. The server sends that
    /// report before it commits. If it reports the end of the session instead, nothing was committed.
    pub(super) fn of_unfinished(error: Error) -> Self {
        match error {
            Error::Database(refusal) if is_ended_by_operator(&*refusal) => Self::ended_by_operator(refusal),
            error => error.into(),
        }
    }

    fn ended_by_operator(refusal: Box<dyn DatabaseError>) -> Self {
        let text = format!("Postgres refuses: {}", refusal.message());
        let text = Cause::of(text, Error::Database(refusal));
        Self::Refused { code: ENDED_BY_OPERATOR.into(), text }
    }

    /// Tells whether the statement could succeed without the row that caused this: bad or too large data, a
    /// conflict, or a row that another session keeps locked.
    pub(super) fn is_about_a_row(&self) -> bool {
        let Self::Refused { code, .. } = self else { return false };
        ["22", "23", "40", "54"].contains(&code.get(..2).unwrap_or_default())
            || ["55P03", "57014"].contains(&code.as_str())
    }
}

/// `admin_shutdown`: `pg_terminate_backend`, or a server that shuts down.
const ENDED_BY_OPERATOR: &str = "57P01";

/// Tells whether this is the report of the server itself and not of a pooler in between, which may not know
/// what the server did. Only the server names the function in which it found out.
fn is_ended_by_operator(error: &dyn DatabaseError) -> bool {
    let routine = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine);
    error.code().as_deref() == Some(ENDED_BY_OPERATOR) && routine == Some("ProcessInterrupts")
}

/// Converts the error of an attempt to connect. A server that refuses a connection has done nothing.
pub(crate) fn of_connecting(error: Error) -> Failure {
    let text = error.to_string();
    let is_wrong = match error {
        Error::Database(refusal) if is_ended_by_operator(&*refusal) => {
            return Failure::ended_by_operator(refusal);
        }
        Error::Database(refusal) => return of_refused_connection(text, refusal),
        Error::Configuration(_) | Error::Tls(_) => true,
        _ => false,
    };
    let cause = Cause::of(text, error);
    if is_wrong { Failure::Wrong(cause) } else { Failure::Down(cause) }
}

fn of_refused_connection(text: String, refusal: Box<dyn DatabaseError>) -> Failure {
    let failure = Failure::refused(refusal);
    let may_pass = failure.may_pass();
    let cause = failure.into_cause().reworded(text);
    if may_pass { Failure::Down(cause) } else { Failure::Wrong(cause) }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(refusal) => Self::refused(refusal),
            // The statement could not even be encoded in this process, so nothing was sent.
            error @ (Error::Encode(_) | Error::Configuration(_) | Error::InvalidArgument(_)) => {
                Self::Down(Cause::of(error.to_string(), error))
            }
            error => Self::Unclear(Cause::of(error.to_string(), error)),
        }
    }
}

impl Failure {
    fn refused(refusal: Box<dyn DatabaseError>) -> Self {
        let code = refusal.code().unwrap_or_default().into_owned();
        let text = format!("Postgres refuses: {} ({code})", refusal.message());
        let text = Cause::of(text, Error::Database(refusal));
        // 57P01..05: the server ends the connection. 08: the server or something on the way ended it. 40003:
        // the server itself does not know.
        let ended = code.starts_with("57P") || code.starts_with("08") || code == "40003" || code.is_empty();
        if ended { Self::Unclear(text) } else { Self::Refused { code, text } }
    }
}
