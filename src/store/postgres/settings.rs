//! The settings of a Postgres store.

use std::fmt;
use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;

/// The addresses of the servers and the connection settings.
#[derive(Clone)]
pub struct Settings {
    /// The servers, one of which is the primary; each with credentials, database and TLS.
    pub servers: Vec<PgConnectOptions>,
    /// The URL without credentials and parameters.
    pub shown: String,
    /// True if the servers' names are verified over TLS, or if there is no network in between.
    pub is_verified: bool,
    /// A file of PEM certificates to trust instead of the usual roots. It is read for each connection.
    pub ca: Option<PathBuf>,
    /// The schema that holds the tables: a plain lower-case identifier.
    pub schema: String,
}

impl Settings {
    /// Returns the settings for `servers` without further keys.
    #[must_use]
    pub fn of(servers: Vec<PgConnectOptions>, schema: impl Into<String>) -> Self {
        let names: Vec<String> = servers.iter().map(name).collect();
        let shown = format!("postgres://{}", names.join(","));
        Self { servers, shown, is_verified: true, ca: None, schema: schema.into() }
    }
}

impl fmt::Debug for Settings {
    /// Leaves out the servers, because their own form shows their passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers.iter().map(name).collect();
        f.debug_struct("Settings")
            .field("servers", &servers)
            .field("is_verified", &self.is_verified)
            .field("ca", &self.ca)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Returns the address of a server as shown to people.
pub(super) fn name(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(path) => path.display().to_string(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}
