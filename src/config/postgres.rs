//! Settings from a `postgres:` URL and the keys beside it.

use std::fmt;
use std::path::PathBuf;

use super::Secret;

/// Postgres as the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// URLs of the servers, with credentials, database and parameters. One of the servers is the primary.
    pub servers: Vec<Secret>,
    /// The URL without credentials, for messages and logs.
    pub shown: String,
    /// True if the servers' names are verified over TLS, or if there is no network in between.
    pub verified: bool,
    /// A file of PEM certificates to trust instead of the usual roots.
    pub ca: Option<PathBuf>,
    /// Name of the schema that holds the tables.
    pub schema: String,
}

impl fmt::Display for Postgres {
    /// Writes the URL without its credentials and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
