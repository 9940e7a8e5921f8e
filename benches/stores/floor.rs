//! Postgres without batching: one row a statement, one statement a commit.

use std::future::Future;
use std::pin::Pin;

use oncegate::store::{Ledger, codec};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool, query, raw_sql};

use crate::contenders::{Worker, id, response};
use crate::servers::postgres::Server;

const CONNECTIONS: u32 = 16;
const TABLES: &str = "CREATE TABLE claim (id bytea PRIMARY KEY, owner bytea NOT NULL, \
                      until timestamptz NOT NULL, response bytea)";
const CLAIM: &str = "INSERT INTO claim (id, owner, until) VALUES ($1, $1, clock_timestamp() + interval '10 s') \
                     ON CONFLICT DO NOTHING";
const COMPLETE: &str = "UPDATE claim SET response = $2, until = clock_timestamp() + interval '1 day' \
                        WHERE id = $1 AND owner = $1 AND response IS NULL";
const REPLAY: &str = "SELECT response FROM claim WHERE id = $1";

/// A claim, a completion and a replay in the most usual form.
pub struct OneByOne(PgPool);

impl OneByOne {
    /// Creates the table on an empty server.
    pub async fn on(server: &Server) -> Self {
        let options: PgConnectOptions = server.options().disable_statement_logging();
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).min_connections(CONNECTIONS);
        let pool = pool.connect_with(options).await.expect("connections");
        raw_sql(TABLES).execute(&pool).await.expect("a table");
        Self(pool)
    }
}

impl Worker for OneByOne {
    fn cycle(&self, number: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let pool = self.0.clone();
        Box::pin(async move {
            let id = *id(number).as_bytes();
            let won = query(CLAIM).bind(id).execute(&pool).await.expect("a claim");
            assert_eq!(won.rows_affected(), 1);
            let response = codec::encode_response(&response());
            let stored = query(COMPLETE).bind(id).bind(response).execute(&pool).await.expect("stored");
            assert_eq!(stored.rows_affected(), 1);
        })
    }

    fn replay(&self, number: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let pool = self.0.clone();
        Box::pin(async move {
            let rows = query(REPLAY).bind(*id(number).as_bytes()).fetch_all(&pool).await.expect("a row");
            assert_eq!(rows.len(), 1);
        })
    }

    fn ledger(&self) -> Option<Ledger> {
        None
    }
}
