//! The least that can be kept: one value for each key, written by a claim and by a completion.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use redis::aio::MultiplexedConnection;
use redis::{Client, cmd};

use super::table::Table;

const DAY_SECONDS: u32 = 24 * 60 * 60;
const DIGEST: usize = 32;

/// The store of the values.
pub enum Records {
    Memory(Mutex<HashMap<Bytes, Bytes>>),
    /// A claim is one round trip, won or not. A completion is another.
    Redis(MultiplexedConnection),
    /// A claim and a completion are a statement and a commit each. A claim that does not win reads the
    /// value with one more statement.
    Postgres(Table),
}

/// The outcome of a claim.
pub enum Claimed {
    Won,
    Running,
    /// The key was used for another body.
    Other,
    /// A response was stored, with this status and body.
    Done(u16, Bytes),
}

impl Records {
    /// Opens `memory:`, or the URL of a Redis or a Postgres without other users.
    pub async fn open(url: &str) -> Self {
        if url == "memory:" {
            return Self::Memory(Mutex::default());
        }
        if url.starts_with("redis:") {
            let client = Client::open(url).expect("a URL");
            return Self::Redis(client.get_multiplexed_async_connection().await.expect("a connection"));
        }
        Self::Postgres(Table::make(url).await)
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
            Self::Postgres(table) => table.claim(key, &digest).await.map(Bytes::from),
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
            Self::Postgres(table) => table.complete(key, &value).await,
        }
    }
}

/// Judges a value: the digest of the request and, once it is answered, the status and the body.
fn judge(value: &Bytes, digest: [u8; DIGEST]) -> Claimed {
    match (value[..DIGEST] == digest, &value[DIGEST..]) {
        (false, _) => Claimed::Other,
        (true, []) => Claimed::Running,
        (true, rest) => Claimed::Done(u16::from_be_bytes([rest[0], rest[1]]), value.slice(DIGEST + 2..)),
    }
}
