//! What a failed question to a server means, whichever server it is: nothing was written, or nobody can
//! tell. Which of its errors is which, each store says for its own server.

use std::fmt;

use super::StoreError;

/// Why a question brought no answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was not sent, or came to nothing.
    Down(String),
    /// The server refused it, and nothing was written.
    Refused {
        /// What the server calls the reason: `OOM`, or an SQLSTATE.
        code: String,
        /// What it said.
        text: String,
    },
    /// It may or may not have been done.
    Unclear(String),
}

impl Failure {
    /// Whether the server refused it for one of these reasons.
    pub(super) fn has_code(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    /// The same of a question that writes nothing: then nothing was written in any case.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Unclear(cause) => Self::Down(cause),
            other => other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(cause) | Self::Refused { text: cause, .. } | Self::Unclear(cause) => {
                f.write_str(cause)
            }
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Down(cause) | Failure::Refused { text: cause, .. } => Self::Unavailable(cause),
            Failure::Unclear(cause) => Self::Unclear(cause),
        }
    }
}

/// Why a store on a server cannot be opened.
#[derive(Debug)]
pub struct OpenError(String);

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}
