//! What a statement that failed means: nothing was written, or nobody can tell.
//!
//! Every statement is its own transaction. The server's word that it failed is final, but for the
//! errors with which a server ends a connection: those can come after the commit.

use std::fmt;

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::store::StoreError;

/// Why a statement brought no answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was not sent, or came to nothing.
    Down(String),
    /// The server refused it, with this SQLSTATE. Nothing was written.
    Refused {
        /// Five characters.
        code: String,
        /// What the server said.
        text: String,
    },
    /// It may or may not have been committed.
    Unclear(String),
}

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

    /// The same of a statement that writes nothing: then nothing was written in any case.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Unclear(cause) => Self::Down(cause),
            other => other,
        }
    }
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
        let text = error.message().to_owned();
        // 57P01..05: the server ends the connection. 08: so does something on the way. 40003: it
        // does not know itself.
        let ended = code.starts_with("57P") || code.starts_with("08") || code == "40003" || code.is_empty();
        if ended { Self::Unclear(format!("{text} ({code})")) } else { Self::Refused { code, text } }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unclear(cause) => Self::Unclear(cause),
            down => Self::Unavailable(down.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(cause) | Self::Unclear(cause) => f.write_str(cause),
            Self::Refused { code, text } => write!(f, "Postgres refuses: {text} ({code})"),
        }
    }
}
