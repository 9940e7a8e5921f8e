//! What a statement that failed means: nothing was written, or nobody can tell.
//!
//! Every statement is its own transaction. The server's word that it failed is final, but for the
//! errors with which a server ends a connection: those can come after the commit.

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

pub(super) use crate::store::failure::Failure;

impl Failure {
    /// Whether the connection may still be used.
    pub(super) fn leaves_session(&self) -> bool {
        // Read-only: a standby now, or an operator has closed the database for writing.
        matches!(self, Self::Refused { code, .. } if code != "25006" && code != ENDED_BY_OPERATOR)
    }

    /// Whether the session was ended before its statement was done, so that another one can be asked.
    pub(super) fn came_to_nothing(&self) -> bool {
        self.has_code(&[ENDED_BY_OPERATOR])
    }

    /// What a statement came to that failed before the server said that it was done. It says so before it
    /// commits, so where it says in its place that it ends the session, nothing was committed.
    pub(super) fn of_unfinished(error: Error) -> Self {
        match &error {
            Error::Database(refusal) if is_ended_by_operator(&**refusal) => {
                Self::ended_by_operator(&**refusal)
            }
            _ => error.into(),
        }
    }

    fn ended_by_operator(refusal: &dyn DatabaseError) -> Self {
        Self::Refused {
            code: ENDED_BY_OPERATOR.into(),
            text: format!("Postgres refuses: {}", refusal.message()),
        }
    }

    /// Whether a statement without the row that caused this could succeed: bad or too large data,
    /// a conflict, a row that somebody keeps locked.
    pub(super) fn is_about_a_row(&self) -> bool {
        let Self::Refused { code, .. } = self else { return false };
        ["22", "23", "40", "54"].contains(&code.get(..2).unwrap_or_default())
            || ["55P03", "57014"].contains(&code.as_str())
    }
}

/// `admin_shutdown`: `pg_terminate_backend`, or a server that shuts down.
const ENDED_BY_OPERATOR: &str = "57P01";

/// Whether it is the server's own word, and not that of a pooler in between, which may not know what the
/// server did: only the server names the function in which it found out.
fn is_ended_by_operator(error: &dyn DatabaseError) -> bool {
    let routine = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine);
    error.code().as_deref() == Some(ENDED_BY_OPERATOR) && routine == Some("ProcessInterrupts")
}

/// What an attempt to connect came to. A server that says no has done nothing.
pub(super) fn of_connecting(error: &Error) -> Failure {
    let is_wrong = match error {
        Error::Database(refusal) if is_ended_by_operator(&**refusal) => {
            return Failure::ended_by_operator(&**refusal);
        }
        Error::Database(refusal) => !Failure::refused(&**refusal).may_pass(),
        Error::Configuration(_) | Error::Tls(_) => true,
        _ => false,
    };
    if is_wrong { Failure::Wrong(error.to_string()) } else { Failure::Down(error.to_string()) }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Database(refusal) => Self::refused(&**refusal),
            // What this process could not even write down for the server.
            Error::Encode(_) | Error::Configuration(_) | Error::InvalidArgument(_) => {
                Self::Down(error.to_string())
            }
            _ => Self::Unclear(error.to_string()),
        }
    }
}

impl Failure {
    fn refused(error: &dyn DatabaseError) -> Self {
        let code = error.code().unwrap_or_default().into_owned();
        let text = format!("Postgres refuses: {} ({code})", error.message());
        // 57P01..05: the server ends the connection. 08: so does something on the way. 40003: it
        // does not know itself.
        let ended = code.starts_with("57P") || code.starts_with("08") || code == "40003" || code.is_empty();
        if ended { Self::Unclear(text) } else { Self::Refused { code, text } }
    }
}
