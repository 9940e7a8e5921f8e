//! A Postgres table with one row for each key, one row a statement, and one statement a commit.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, query, query_scalar, raw_sql};
use tokio::sync::Semaphore;

const CONNECTIONS: usize = 16;
const TABLE: &str =
    "CREATE TABLE record (key bytea PRIMARY KEY, value bytea NOT NULL, until timestamptz NOT NULL)";
const CLAIM: &str = "INSERT INTO record (key, value, until) \
                     VALUES ($1, $2, clock_timestamp() + interval '1 day') ON CONFLICT DO NOTHING";
const READ: &str = "SELECT value FROM record WHERE key = $1";
const COMPLETE: &str = "UPDATE record SET value = $2 WHERE key = $1";

/// The table, and its connections. The pool of the library checks after every use whether a connection
/// still lives, which is one more round trip for each statement. This pool does not.
pub struct Table {
    idle: Mutex<Vec<PgConnection>>,
    permits: Semaphore,
}

impl Table {
    pub async fn make(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).expect("a URL").disable_statement_logging();
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            idle.push(options.connect().await.expect("a connection"));
        }
        raw_sql(TABLE).execute(&mut idle[0]).await.expect("a table");
        Self { idle: Mutex::new(idle), permits: Semaphore::new(CONNECTIONS) }
    }

    /// Claims a key. Returns the value that is there already, if the claim did not win.
    pub async fn claim(&self, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        self.with(async |connection| {
            let claim = query(CLAIM).bind(key).bind(value).execute(&mut *connection).await;
            match claim.expect("a claim").rows_affected() {
                1 => None,
                _ => Some(query_scalar(READ).bind(key).fetch_one(connection).await.expect("a value")),
            }
        })
        .await
    }

    pub async fn complete(&self, key: &[u8], value: &[u8]) {
        self.with(async |connection| {
            query(COMPLETE).bind(key).bind(value).execute(connection).await.expect("stored");
        })
        .await;
    }

    async fn with<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> T) -> T {
        let _permit = self.permits.acquire().await.expect("nobody closes it");
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = idle().pop().expect("as many as permits");
        let done = work(&mut connection).await;
        idle().push(connection);
        done
    }
}
