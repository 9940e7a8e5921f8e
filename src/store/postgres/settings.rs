//! Settings of a Postgres store.

use std::fmt;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::workers::Workers;

/// The addresses of the servers and the connection settings.
#[derive(Clone)]
pub struct PostgresSettings {
    /// The servers, one of which is the primary; each with credentials, database and TLS.
    pub servers: Vec<PgConnectOptions>,
    /// The schema that holds the tables: a plain lower-case identifier.
    pub schema: String,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// The threads over which the connections are spread, beside the one that opens the store.
    pub workers: Workers,
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers.iter().map(name).collect();
        write!(f, "PostgresSettings({servers:?}, schema {:?})", self.schema)
    }
}

impl PostgresSettings {
    /// Returns how long a statement may take. This is shorter than callers wait, so that a statement is given
    /// up in the session, where that ends the connection.
    pub(super) fn deadline(&self) -> Duration {
        self.timeout * 9 / 10
    }

    /// Returns how long a statement may wait for a row that another session keeps locked.
    pub(super) fn lock_timeout(&self) -> Duration {
        self.timeout * 3 / 10
    }

    /// Returns how long one server may take to accept a connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.timeout / (self.servers.len().max(1) as u32)
    }

    /// Returns the connection options of each server.
    pub(super) fn doors(&self) -> impl Iterator<Item = PgConnectOptions> + '_ {
        self.servers.iter().map(|server| {
            // A pooler in between refuses parameters that it does not know. Omitting this one changes
            // nothing, because no statement reads a floating-point number.
            let named = server.clone().disable_statement_logging().extra_float_digits(None);
            if named.get_application_name().is_some() { named } else { named.application_name("oncegate") }
        })
    }
}

/// Returns the address of a server as shown to people.
pub(super) fn name(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(path) => path.display().to_string(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}
