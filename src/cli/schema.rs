//! `oncegate schema`: the JSON Schema of the configuration file, for editors and linters.

use crate::config;

/// The schema as text, ending with a line break.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
