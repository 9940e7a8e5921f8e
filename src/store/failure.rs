//! The meaning of a failed command to a server: the server wrote nothing, or the outcome is unclear. Each
//! store maps the errors of its own server.

use std::fmt;

use super::error::{Cause, StoreError};
use super::open_error::OpenError;

/// Refusals that last until an operator corrects something. Redis: no or wrong credentials, no right.
/// Postgres: wrong credentials, no such database, no right, no such schema or table.
const STANDING: [&str; 9] =
    ["NOAUTH", "NOPERM", "WRONGPASS", "28000", "28P01", "3D000", "3F000", "42501", "42P01"];

/// The reason why a command failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The command was not sent, or had no effect.
    Down(Cause),
    /// The command had no effect, and has none until an operator corrects something: credentials, a setting.
    Wrong(Cause),
    /// The server refused the command and wrote nothing.
    Refused {
        /// The server's code for the reason: `OOM`, or an SQLSTATE.
        code: String,
        /// The text of the refusal.
        text: Cause,
    },
    /// The command may or may not have been carried out.
    Unclear(Cause),
}

impl Failure {
    /// Returns the failure of a command that had no effect, because of `cause`.
    pub(crate) fn down(cause: impl Into<Cause>) -> Self {
        Self::Down(cause.into())
    }

    /// Returns the failure of a command that has no effect until an operator corrects `cause`.
    pub(super) fn wrong(cause: impl Into<Cause>) -> Self {
        Self::Wrong(cause.into())
    }

    /// Returns the failure of a command that may or may not have been carried out, because of `cause`.
    pub(crate) fn unclear(cause: impl Into<Cause>) -> Self {
        Self::Unclear(cause.into())
    }

    /// Tells whether the server refused the command with one of these codes.
    pub(crate) fn has_code(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    /// Returns the failure with `what` in front of its text.
    pub(super) fn about(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Down(text) => Self::Down(text.about(what)),
            Self::Wrong(text) => Self::Wrong(text.about(what)),
            Self::Refused { code, text } => Self::Refused { code, text: text.about(what) },
            Self::Unclear(text) => Self::Unclear(text.about(what)),
        }
    }

    /// Combines the failures of several servers. The result is [`Failure::Wrong`] only if no failure may
    /// pass.
    pub(super) fn of_all(before: &str, causes: &[Self]) -> Self {
        let text: Vec<String> = causes.iter().map(Self::to_string).collect();
        let text = format!("{before}{}", text.join("; "));
        let passes = causes.is_empty() || causes.iter().any(Self::may_pass);
        // A failure has one source: that of the server that was asked first.
        let cause = match causes.first() {
            Some(first) => first.clone().into_cause().reworded(text),
            None => text.into(),
        };
        if passes { Self::Down(cause) } else { Self::Wrong(cause) }
    }

    /// Tells whether the failure may pass by waiting.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::Wrong(_)) && !self.has_code(&STANDING)
    }

    /// Returns the cause alone.
    pub(crate) fn into_cause(self) -> Cause {
        match self {
            Self::Down(cause)
            | Self::Wrong(cause)
            | Self::Refused { text: cause, .. }
            | Self::Unclear(cause) => cause,
        }
    }

    /// Converts the failure of a command that writes nothing: the outcome is clear in any case.
    pub(crate) fn of_a_read(self) -> Self {
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
            | Self::Unclear(cause) => cause.fmt(f),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unclear(cause) => Self::Unclear(cause),
            failure => Self::Unavailable(failure.into_cause()),
        }
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        let may_pass = failure.may_pass();
        Self::new(failure.into_cause(), may_pass)
    }
}
