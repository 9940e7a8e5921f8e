//! What a `postgres:` URL and the keys beside it name.

use std::fmt;
use std::path::PathBuf;

use super::Secret;

/// Postgres as the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// A URL for each server, with credentials, database and parameters; one of them is the primary.
    pub servers: Vec<Secret>,
    /// The same without credentials, for people.
    pub shown: String,
    /// Whether the servers' names are verified over TLS, or there is no network in between.
    pub verified: bool,
    /// A file of PEM certificates to trust instead of the usual roots.
    pub ca: Option<PathBuf>,
    /// The schema that holds the tables.
    pub schema: String,
}

impl fmt::Display for Postgres {
    /// The URL without its credentials and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
