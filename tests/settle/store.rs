//! The stores of the rounds, and what they contain as bytes.

use std::path::Path;
use std::sync::Arc;

use redis::{Commands, ToRedisArgs};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::servers::{postgres, redis as servers};

/// The kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Redis,
    /// The store of one gateway alone.
    Embedded,
}

/// A store of one round.
pub enum Store {
    Postgres { server: Arc<postgres::Server>, schema: String },
    Redis(servers::Server),
    Embedded(TempDir),
}

impl Store {
    pub async fn of(kind: Kind) -> Self {
        let start = move || match kind {
            Kind::Postgres => Self::Postgres { server: postgres::shared(), schema: postgres::schema() },
            Kind::Redis => Self::Redis(servers::Server::start()),
            Kind::Embedded => Self::Embedded(TempDir::new().expect("a directory")),
        };
        tokio::task::spawn_blocking(start).await.expect("a server")
    }

    /// Returns the port of its server, if it has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Postgres { server, .. } => Some(server.port),
            Self::Redis(server) => Some(server.port),
            Self::Embedded(_) => None,
        }
    }

    /// Returns lines for `[store]`. A server is reached through `port`.
    pub fn lines_at(&self, port: Option<u16>) -> String {
        let port = port.or(self.port()).unwrap_or_default();
        match self {
            Self::Postgres { schema, .. } => {
                format!("url = \"postgres://oncegate@127.0.0.1:{port}/postgres\"\nschema = \"{schema}\"")
            }
            // An operator who accepts what was lost: gateways go on after the store was emptied.
            Self::Redis(_) => format!("url = \"redis://127.0.0.1:{port}\"\naccept_lost = true"),
            Self::Embedded(data) => format!("url = \"embedded:{}\"", data.path().display()),
        }
    }

    /// Removes every record and every response.
    pub async fn wipe(&self) {
        match self {
            Self::Postgres { server, schema } => {
                server.run(&format!("TRUNCATE {schema}.record, {schema}.response")).await;
            }
            Self::Redis(server) => server.say::<()>("FLUSHALL"),
            Self::Embedded(_) => unreachable!("no round empties the store of a single gateway"),
        }
    }

    /// Returns all bytes that the store keeps, each piece with its place. Responses have places that contain
    /// `response`.
    pub async fn contents(&self) -> Vec<(String, Vec<u8>)> {
        match self {
            Self::Postgres { server, schema } => tables(server, schema).await,
            Self::Redis(server) => keys(server),
            Self::Embedded(data) => files(data.path()),
        }
    }
}

/// Copies every column of every table.
async fn tables(server: &postgres::Server, schema: &str) -> Vec<(String, Vec<u8>)> {
    let columns = server
        .run(&format!(
            "SELECT table_name::text, column_name::text FROM information_schema.columns \
             WHERE table_schema = '{schema}'"
        ))
        .await;
    let mut connection = server.options().disable_statement_logging().connect().await.expect("a connection");
    let mut contents = Vec::new();
    for row in columns {
        let (table, column): (String, String) = (sqlx::Row::get(&row, 0), sqlx::Row::get(&row, 1));
        let copy = format!("COPY {schema}.{table} ({column}) TO STDOUT (FORMAT binary)");
        let mut copied = connection.copy_out_raw(&copy).await.expect("a copy");
        let mut bytes = Vec::new();
        while let Some(piece) = std::future::poll_fn(|context| {
            use futures_core::Stream;
            std::pin::Pin::new(&mut copied).poll_next(context)
        })
        .await
        {
            bytes.extend_from_slice(&piece.expect("a piece"));
        }
        drop(copied);
        contents.push((format!("{table}.{column}"), bytes));
    }
    connection.close().await.expect("closed");
    contents
}

/// Reads every key with its value.
fn keys(server: &servers::Server) -> Vec<(String, Vec<u8>)> {
    let mut connection = server.connection();
    let names: Vec<Vec<u8>> = connection.keys("*").expect("keys");
    let mut contents = Vec::new();
    for name in names {
        let kind: String = redis::cmd("TYPE").arg(&name).query(&mut connection).expect("a type");
        let mut ask = |words: &[&str]| pieces(&mut connection, words, &name);
        let value = match kind.as_str() {
            "string" => ask(&["GET"]),
            "hash" => ask(&["HGETALL"]),
            "zset" => ask(&["ZRANGE", "0", "-1", "WITHSCORES"]),
            "set" => ask(&["SMEMBERS"]),
            "list" => ask(&["LRANGE", "0", "-1"]),
            // A running gateway removed the key after it was listed.
            "none" => continue,
            kind => panic!("a key of the type {kind}"),
        };
        let place = String::from_utf8_lossy(&name).into_owned();
        contents.push((place, [name, value].concat()));
    }
    contents
}

/// Sends a command about a key and returns all texts of its answer.
fn pieces(connection: &mut redis::Connection, words: &[&str], key: impl ToRedisArgs) -> Vec<u8> {
    let mut command = redis::cmd(words[0]);
    command.arg(key).arg(&words[1..]);
    match command.query(connection).expect("a value") {
        redis::Value::BulkString(bytes) => bytes,
        redis::Value::Array(values) => values.into_iter().flat_map(text).collect(),
        redis::Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(k, v)| [text(k), text(v)].concat()).collect()
        }
        other => text(other),
    }
}

fn text(value: redis::Value) -> Vec<u8> {
    match value {
        redis::Value::BulkString(bytes) => [bytes, b"\n".to_vec()].concat(),
        other => format!("{other:?}\n").into_bytes(),
    }
}

/// Reads every file of a directory.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut contents = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => contents.extend(files(&path)),
            false => contents.push((path.display().to_string(), std::fs::read(&path).expect("a file"))),
        }
    }
    contents
}
