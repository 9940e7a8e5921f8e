//! The error of opening a store, of whichever kind the store is.

use std::error::Error;
use std::fmt;

use super::error::Cause;

/// The reason why a store cannot be opened. [`Error::source`] is the error of the server or the system behind
/// it.
#[derive(Debug)]
pub struct OpenError {
    cause: Cause,
    passing: bool,
}

impl OpenError {
    /// Makes an error with the reason `cause`. Waiting may help if `passing` is true.
    #[must_use]
    pub fn new(cause: impl Into<Cause>, passing: bool) -> Self {
        Self { cause: cause.into(), passing }
    }

    /// Tells whether waiting may help: the server does not answer or is still starting, or another process
    /// has the store open.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.passing
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}
