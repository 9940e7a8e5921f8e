//! Charges in Postgres, each in one transaction with its marker row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, query};
use tokio::sync::Semaphore;

use super::Effect;
use crate::servers::postgres::{Server, shared};

static TABLES: AtomicU64 = AtomicU64::new(0);
/// Connections of one API at the same time.
const CONNECTIONS: usize = 12;

/// The tables of one API.
pub struct Marker {
    pub server: Arc<Server>,
    number: u64,
    keeps_response: bool,
    connections: Semaphore,
}

/// A charge that is written and not committed.
pub(super) struct Written<'m> {
    connection: PgConnection,
    pub(super) body: Bytes,
    _permit: tokio::sync::SemaphorePermit<'m>,
}

impl Marker {
    /// Makes the tables of an API. `keeps_response` says whether it fills the response of its rows.
    pub async fn new(keeps_response: bool) -> Self {
        let number = TABLES.fetch_add(1, Ordering::Relaxed);
        let marker =
            Self { server: shared(), number, keeps_response, connections: Semaphore::new(CONNECTIONS) };
        let (table, payments) = (marker.table(), marker.payments());
        let schema = format!(
            "CREATE TABLE {table} (execution text PRIMARY KEY, fenced boolean NOT NULL DEFAULT false, \
             response jsonb, created_at timestamptz NOT NULL DEFAULT now())"
        );
        let ledger = format!(
            "CREATE TABLE {payments} \
             (charge bigserial PRIMARY KEY, key text NOT NULL, execution text NOT NULL)"
        );
        marker.server.run_each(&[&schema, &ledger]).await;
        marker
    }

    /// Returns the name of the marker table.
    pub fn table(&self) -> String {
        format!("marker_{}", self.number)
    }

    fn payments(&self) -> String {
        format!("payments_{}", self.number)
    }

    /// Returns lines of a route for these tables, which lead to the server through a port.
    pub fn lines_at(&self, port: u16) -> String {
        let table = self.table();
        format!(
            "on_unknown = \"marker\"\n\
             marker = {{ url = \"postgres://oncegate@127.0.0.1:{port}/postgres\", table = \"{table}\" }}"
        )
    }

    async fn connect(&self) -> PgConnection {
        self.server.options().disable_statement_logging().connect().await.expect("a connection")
    }

    /// Writes a charge and its marker. Returns `None` if the marker was there already.
    pub(super) async fn write(
        &self,
        key: &str,
        execution: &str,
        body: impl Fn(i64) -> Bytes,
    ) -> Option<Written<'_>> {
        let permit = self.connections.acquire().await.expect("it is never closed");
        let mut connection = self.connect().await;
        let (payments, table) = (self.payments(), self.table());
        let done = query("BEGIN").execute(&mut connection).await;
        done.expect("a transaction");
        let insert = format!("INSERT INTO {payments} (key, execution) VALUES ($1, $2) RETURNING charge");
        let row = query(AssertSqlSafe(insert)).bind(key).bind(execution).fetch_one(&mut connection).await;
        let body = body(row.expect("a charge").get(0));
        let response = self.keeps_response.then(|| {
            let (headers, body) =
                (json!({ "content-type": "application/json" }), BASE64_STANDARD.encode(&body));
            json!({ "status": 201, "headers": headers, "body_base64": body }).to_string()
        });
        let insert = format!("INSERT INTO {table} (execution, response) VALUES ($1, $2::jsonb)");
        match query(AssertSqlSafe(insert)).bind(execution).bind(response).execute(&mut connection).await {
            Ok(_) => Some(Written { connection, body, _permit: permit }),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                connection.close().await.expect("closed");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns every committed charge.
    pub(super) async fn effects(&self) -> Vec<Effect> {
        let sql = format!("SELECT key, execution, charge FROM {} ORDER BY charge", self.payments());
        let effect = |row: &sqlx::postgres::PgRow| Effect {
            key: row.get(0),
            execution: row.get(1),
            charge: row.get(2),
        };
        self.server.run(&sql).await.iter().map(effect).collect()
    }

    /// Returns the executions with a marker row, and whether each is fenced.
    pub async fn rows(&self) -> Vec<(String, bool)> {
        let sql = format!("SELECT execution, fenced FROM {} ORDER BY execution", self.table());
        self.server.run(&sql).await.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

impl Written<'_> {
    pub(super) async fn commit(mut self) -> Bytes {
        query("COMMIT").execute(&mut self.connection).await.expect("a commit");
        self.connection.close().await.expect("closed");
        self.body
    }

    pub(super) async fn roll_back(self) {
        self.connection.close().await.expect("closed");
    }
}
