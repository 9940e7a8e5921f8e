//! The marker table over real servers, and upstreams that write it.

#![cfg(feature = "postgres")]

mod faults;

mod rows;

#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores")]
mod servers;

use std::time::Duration;

use oncegate::settle::marker::{MarkerTable, schema_sql};

use self::servers::postgres::Server;

/// The time that each call to the table may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the URL of a server on this machine.
pub fn url(port: u16) -> String {
    format!("postgres://oncegate@127.0.0.1:{port}/postgres?sslmode=disable")
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
