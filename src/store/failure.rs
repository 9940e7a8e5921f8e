//! What a failed question to a server means, whichever server it is: nothing was written, or nobody can
//! tell. Which of its errors is which, each store says for its own server.

use std::fmt;

use super::StoreError;

/// Refusals that stand until somebody sets something right. Of Redis: no or wrong credentials, no right. Of
/// Postgres: wrong credentials, no such database, no right, no such schema or table.
const STANDING: [&str; 9] =
    ["NOAUTH", "NOPERM", "WRONGPASS", "28000", "28P01", "3D000", "3F000", "42501", "42P01"];

/// Why a question brought no answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was not sent, or came to nothing.
    Down(String),
    /// It came to nothing, and will until somebody sets something right: credentials, a setting.
    Wrong(String),
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

    /// The same, with the name of what it is about before it.
    pub(super) fn about(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Down(text) => Self::Down(format!("{what}: {text}")),
            Self::Wrong(text) => Self::Wrong(format!("{what}: {text}")),
            Self::Refused { code, text } => Self::Refused { code, text: format!("{what}: {text}") },
            Self::Unclear(text) => Self::Unclear(format!("{what}: {text}")),
        }
    }

    /// Why none of several servers is of use: wrong only if all are.
    pub(super) fn of_all(before: &str, causes: &[Self]) -> Self {
        let text: Vec<String> = causes.iter().map(Self::to_string).collect();
        let text = format!("{before}{}", text.join("; "));
        let passes = causes.is_empty() || causes.iter().any(Self::may_pass);
        if passes { Self::Down(text) } else { Self::Wrong(text) }
    }

    /// Whether waiting may mend it.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Wrong(_)) && !self.has_code(&STANDING)
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
            Self::Down(cause)
            | Self::Wrong(cause)
            | Self::Refused { text: cause, .. }
            | Self::Unclear(cause) => f.write_str(cause),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Down(cause) | Failure::Wrong(cause) | Failure::Refused { text: cause, .. } => {
                Self::Unavailable(cause)
            }
            Failure::Unclear(cause) => Self::Unclear(cause),
        }
    }
}

/// Why a store on a server cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    text: String,
    passing: bool,
}

impl OpenError {
    /// The reason `text`; `passing` if waiting may mend it.
    pub(super) fn new(text: String, passing: bool) -> Self {
        Self { text, passing }
    }

    /// Whether it may be mended by waiting: the server does not answer, or is still starting.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.passing
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self { text: failure.to_string(), passing: failure.may_pass() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for OpenError {}
