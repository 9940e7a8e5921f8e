//! The reason why the demo cannot go on.

use std::{fmt, io};

/// A reason, in words for the user of the demo. A wrong answer or total is not such a reason: the script
/// reports it as a result.
#[derive(Debug)]
pub(super) struct DemoError(String);

impl DemoError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for DemoError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
