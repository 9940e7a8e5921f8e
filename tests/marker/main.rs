//! The marker table over real servers, the upstreams that write it, and the check of such an upstream.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod faults;
mod pooler;
mod probe;
mod rows;
mod snippets;

#[path = "../clients/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of frameworks")]
mod clients;
#[path = "../../examples/marker-upstream/main.rs"]
#[expect(dead_code, reason = "the tests serve the example on ports of their own")]
mod example;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores")]
mod servers;

use std::net::SocketAddr;
use std::time::Duration;

use oncegate::settle::marker::{MarkerTable, schema_sql};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use self::servers::postgres::Server;

/// The time that each call to the table may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the URL of a server on this machine.
pub fn url(port: u16) -> String {
    url_of(port, "postgres")
}

fn url_of(port: u16, database: &str) -> String {
    format!("postgres://oncegate@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// Creates a marker table in a schema of its own, and returns its name.
pub async fn made(server: &Server) -> String {
    let schema = servers::postgres::schema();
    server.run(&format!("CREATE SCHEMA {schema}")).await;
    let table = format!("{schema}.marker");
    server.run(&schema_sql(&table)).await;
    table
}

/// Returns a client of `table` behind this port.
pub fn client(port: u16, table: &str) -> MarkerTable {
    MarkerTable::new(&url(port), table, TIMEOUT).expect("a plain table")
}

/// A database of payments, as the example uses it.
pub struct Payments {
    /// URL of the database.
    pub url: String,
    /// Options to connect to the database.
    pub options: sqlx::postgres::PgConnectOptions,
}

impl Payments {
    /// Creates a database on `server`. It has no tables yet.
    pub async fn on(server: &Server) -> Self {
        let name = servers::postgres::schema();
        server.run(&format!("CREATE DATABASE {name}")).await;
        Self { url: url_of(server.port, &name), options: server.options().database(&name) }
    }

    /// Serves the example over this database, and returns its address.
    pub async fn served(&self, swallows_conflict: bool) -> SocketAddr {
        let api = example::api(&self.url, swallows_conflict).await.expect("its tables");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async { axum::serve(listener, api).await });
        address
    }

    /// Returns the client of the marker table.
    pub fn table(&self) -> MarkerTable {
        MarkerTable::new(&self.url, "oncegate_marker", TIMEOUT).expect("a plain table")
    }

    /// Returns the number of charges.
    pub async fn charges(&self) -> i64 {
        self.value("SELECT count(*) FROM charge").await
    }

    /// Returns the first value of the first row.
    pub async fn value(&self, sql: &str) -> i64 {
        self.run(sql).await.first().unwrap_or_else(|| panic!("{sql}: no row")).get(0)
    }

    /// Runs some SQL.
    pub async fn run(&self, sql: &str) -> Vec<sqlx::postgres::PgRow> {
        let mut connection = self.options.connect().await.expect("a connection");
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}
