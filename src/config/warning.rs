//! A warning, as `check` and a start print it.

use std::fmt;

/// A warning about a setting that is valid but probably not intended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Subject of the warning: a section such as `store`, or a route by name.
    pub about: String,
    /// Description of the possible effect, and of the setting that changes it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}
