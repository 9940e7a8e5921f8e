//! What a command that failed means: nothing was written, or nobody can tell.
//!
//! A server that *refuses* a command has not run it. That is certain for the refusals listed in
//! here and for no other error.

use std::fmt;

use redis::RedisError;

use crate::store::StoreError;

/// Refusals of Redis that come before anything is written, first of all by the first write of a
/// script.
const REFUSALS: [&str; 18] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "DENIED",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
    "WRONGTYPE",
];

/// Why a command brought no answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was not sent, or the server did not run it.
    Down(String),
    /// It was refused by the server, with this code first. Nothing was written.
    Refused {
        /// Such as `OOM`.
        code: String,
        /// All of it.
        text: String,
    },
    /// It may or may not have run.
    Unclear(String),
}

impl Failure {
    /// Whether the connection it came over should be replaced: the answer did not come, or it is
    /// one that a primary does not give.
    pub(super) fn casts_doubt(&self) -> bool {
        matches!(self, Self::Unclear(_)) || self.has_code(&["LOADING", "MASTERDOWN", "READONLY"])
    }

    /// Whether the cluster may have given the slot to another server.
    pub(super) fn is_misplaced(&self) -> bool {
        matches!(self, Self::Down(_) | Self::Unclear(_))
            || self.has_code(&["CLUSTERDOWN", "MASTERDOWN", "MOVED", "READONLY"])
    }

    /// Whether the server said one of these.
    pub(super) fn has_code(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    /// The same of a command that writes nothing: then nothing was written in any case.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Unclear(cause) => Self::Down(cause),
            other => other,
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        match error.code() {
            Some(code) if REFUSALS.contains(&code) => {
                Self::Refused { code: code.to_owned(), text: error.to_string() }
            }
            _ => Self::Unclear(error.to_string()),
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(cause) | Self::Refused { text: cause, .. } | Self::Unclear(cause) => {
                f.write_str(cause)
            }
        }
    }
}
