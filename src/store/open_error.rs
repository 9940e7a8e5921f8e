//! The error of opening a store, of whichever kind the store is.

use std::fmt;

/// The reason why a store cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    text: String,
    passing: bool,
}

impl OpenError {
    /// Makes an error with the reason `text`. Waiting may help if `passing` is true.
    #[must_use]
    pub fn new(text: String, passing: bool) -> Self {
        Self { text, passing }
    }

    /// Tells whether waiting may help: the server does not answer or is still starting, or another process has
    /// the store open.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.passing
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for OpenError {}
