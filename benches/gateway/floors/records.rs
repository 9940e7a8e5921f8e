//! The least that can be kept: one value a key, written by a claim and by a completion.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use redis::aio::MultiplexedConnection;
use redis::{Client, cmd};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool, query, query_scalar, raw_sql};

const CONNECTIONS: u32 = 16;
const DAY_SECONDS: u32 = 24 * 60 * 60;
const TABLE: &str =
    "CREATE TABLE record (key bytea PRIMARY KEY, value bytea NOT NULL, until timestamptz NOT NULL)";
const CLAIM: &str = "INSERT INTO record (key, value, until) VALUES ($1, $2, clock_timestamp() + interval '1 day') \
                     ON CONFLICT DO NOTHING";
const READ: &str = "SELECT value FROM record WHERE key = $1";
const COMPLETE: &str = "UPDATE record SET value = $2 WHERE key = $1";
const DIGEST: usize = 32;

/// Where the values are.
pub enum Records {
    Memory(Mutex<HashMap<Bytes, Bytes>>),
    /// A claim is one round trip, whatever it finds; a completion another.
    Redis(MultiplexedConnection),
    /// A claim and a completion are a statement and a commit each; what a claim met is read by one more.
    Postgres(PgPool),
}

/// What came of a claim.
pub enum Claimed {
    Won,
    Running,
    /// The key was used for another body.
    Other,
    /// With its status and body.
    Done(u16, Bytes),
}

impl Records {
    /// `memory:`, or the URL of a Redis or a Postgres that nobody else uses.
    pub async fn open(url: &str) -> Self {
        if url == "memory:" {
            return Self::Memory(Mutex::default());
        }
        if url.starts_with("redis:") {
            let client = Client::open(url).expect("a URL");
            return Self::Redis(client.get_multiplexed_async_connection().await.expect("a connection"));
        }
        let options = PgConnectOptions::from_str(url).expect("a URL").disable_statement_logging();
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).min_connections(CONNECTIONS);
        // Asking whether a connection still lives would be a round trip more for each statement.
        let pool = pool.test_before_acquire(false).connect_with(options).await.expect("connections");
        raw_sql(TABLE).execute(&pool).await.expect("a table");
        Self::Postgres(pool)
    }

    pub async fn claim(&self, key: &[u8], digest: [u8; DIGEST]) -> Claimed {
        let found: Option<Bytes> = match self {
            Self::Memory(all) => {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                match all.entry(Bytes::copy_from_slice(key)) {
                    Entry::Occupied(found) => Some(found.get().clone()),
                    Entry::Vacant(free) => {
                        free.insert(Bytes::copy_from_slice(&digest));
                        None
                    }
                }
            }
            Self::Redis(connection) => {
                let mut set = cmd("SET");
                set.arg(key).arg(&digest[..]).arg("NX").arg("GET").arg("EX").arg(DAY_SECONDS);
                let found: Option<Vec<u8>> =
                    set.query_async(&mut connection.clone()).await.expect("an answer");
                found.map(Bytes::from)
            }
            Self::Postgres(pool) => {
                let claim = query(CLAIM).bind(key).bind(&digest[..]).execute(pool).await.expect("a claim");
                match claim.rows_affected() {
                    1 => None,
                    _ => Some(read(pool, key).await),
                }
            }
        };
        found.map_or(Claimed::Won, |value| judge(&value, digest))
    }

    pub async fn complete(&self, key: &[u8], digest: [u8; DIGEST], status: u16, body: &[u8]) {
        let mut value = BytesMut::with_capacity(DIGEST + 2 + body.len());
        value.put_slice(&digest);
        value.put_u16(status);
        value.put_slice(body);
        match self {
            Self::Memory(all) => {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(Bytes::copy_from_slice(key), value.freeze());
            }
            Self::Redis(connection) => {
                let mut set = cmd("SET");
                set.arg(key).arg(&value[..]).arg("EX").arg(DAY_SECONDS);
                set.query_async::<()>(&mut connection.clone()).await.expect("stored");
            }
            Self::Postgres(pool) => {
                query(COMPLETE).bind(key).bind(&value[..]).execute(pool).await.expect("stored");
            }
        }
    }
}

async fn read(pool: &PgPool, key: &[u8]) -> Bytes {
    let value: Vec<u8> = query_scalar(READ).bind(key).fetch_one(pool).await.expect("a value");
    value.into()
}

/// A value is the digest of what was asked and, once it is answered, the status and the body.
fn judge(value: &Bytes, digest: [u8; DIGEST]) -> Claimed {
    match (value[..DIGEST] == digest, &value[DIGEST..]) {
        (false, _) => Claimed::Other,
        (true, []) => Claimed::Running,
        (true, rest) => Claimed::Done(u16::from_be_bytes([rest[0], rest[1]]), value.slice(DIGEST + 2..)),
    }
}
