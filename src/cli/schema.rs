//! `oncegate schema`: the JSON Schema of the configuration file, for editors and linters.

use crate::config;

/// Returns the schema as text with a line break at the end.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
