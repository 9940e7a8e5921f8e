//! What a Postgres store has to be told.

use std::fmt;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::workers::Workers;

/// Where the servers are and how to speak to them.
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
    /// How long a statement may take. Shorter than what callers wait, so that one that is given up is
    /// given up in here, where it ends its connection.
    pub(super) fn deadline(&self) -> Duration {
        self.timeout * 9 / 10
    }

    /// How long a statement may wait for a row that somebody else keeps locked.
    pub(super) fn lock_timeout(&self) -> Duration {
        self.timeout * 3 / 10
    }

    /// How long one server may take to accept a connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.timeout / (self.servers.len().max(1) as u32)
    }

    /// The servers as connections are opened to them.
    pub(super) fn doors(&self) -> impl Iterator<Item = PgConnectOptions> + '_ {
        self.servers.iter().map(|server| {
            // A pooler in between refuses parameters that it does not know, and this one changes nothing: no
            // statement asks for a floating-point number.
            let named = server.clone().disable_statement_logging().extra_float_digits(None);
            if named.get_application_name().is_some() { named } else { named.application_name("oncegate") }
        })
    }
}

/// Where a server is, for people.
pub(super) fn name(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(path) => path.display().to_string(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}
