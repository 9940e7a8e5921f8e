//! What a statement that failed means: nothing was written, or nobody can tell.
//!
//! Every statement is its own transaction. The server's word that it failed is final, but for the
//! errors with which a server ends a connection: those can come after the commit.

use sqlx::Error;
use sqlx::error::DatabaseError;

pub(super) use crate::store::failure::Failure;

impl Failure {
    /// Whether the connection may still be used.
    pub(super) fn leaves_session(&self) -> bool {
        // Read-only: a standby now, or an operator has closed the database for writing.
        matches!(self, Self::Refused { code, .. } if code != "25006")
    }

    /// Whether a statement without the row that caused this could succeed: bad or too large data,
    /// a conflict, a row that somebody keeps locked.
    pub(super) fn is_about_a_row(&self) -> bool {
        let Self::Refused { code, .. } = self else { return false };
        ["22", "23", "40", "54"].contains(&code.get(..2).unwrap_or_default())
            || ["55P03", "57014"].contains(&code.as_str())
    }
}

/// What an attempt to connect came to. A server that says no has done nothing.
pub(super) fn of_connecting(error: &Error) -> Failure {
    let is_wrong = match error {
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
