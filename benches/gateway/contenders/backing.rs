//! What keeps a contender's records, and what it says of itself.

use sqlx::{ConnectOptions, PgConnection, query_scalar};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::servers::{postgres, redis};

/// Transactions that write have numbers of their own; the next one's tells how many there were, at
/// once, where the server's statistics are up to a second late.
const WRITTEN: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Embedded,
    Redis,
    Postgres,
}

pub const KINDS: [Kind; 4] = [Kind::Memory, Kind::Embedded, Kind::Redis, Kind::Postgres];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Embedded => "embedded",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }
}

/// A store that one contender has for itself; ended when dropped.
pub enum Backing {
    Memory,
    Embedded(TempDir),
    Redis(redis::Server, Mutex<::redis::Connection>),
    Postgres(postgres::Server, Mutex<PgConnection>),
}

impl Backing {
    pub async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::Memory,
            // Not in the system's place for temporary files, which may be memory and sync nothing.
            Kind::Embedded => {
                Self::Embedded(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory"))
            }
            Kind::Redis => {
                let server = redis::Server::start();
                let connection = server.connection();
                Self::Redis(server, Mutex::new(connection))
            }
            Kind::Postgres => {
                let server = postgres::Server::start();
                let options = server.options().disable_statement_logging();
                let connection = options.connect().await.expect("a connection");
                Self::Postgres(server, Mutex::new(connection))
            }
        }
    }

    /// As the configuration and [`crate::floors`] name it.
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The same, reached at another port.
    pub fn url_at(&self, port: u16) -> String {
        match self {
            Self::Memory => "memory:".into(),
            Self::Embedded(directory) => format!("embedded:{}", directory.path().join("records").display()),
            Self::Redis(..) => format!("redis://127.0.0.1:{port}"),
            Self::Postgres(..) => format!("postgres://oncegate@127.0.0.1:{port}/postgres?sslmode=disable"),
        }
    }

    /// Where its server listens; 0 if it has none.
    pub fn port(&self) -> u16 {
        match self {
            Self::Memory | Self::Embedded(_) => 0,
            Self::Redis(server, _) => server.port,
            Self::Postgres(server, _) => server.port,
        }
    }

    /// The server's process, if there is one.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Memory | Self::Embedded(_) => None,
            Self::Redis(server, _) => Some(server.pid()),
            Self::Postgres(server, _) => Some(server.pid()),
        }
    }

    /// How often it was turned to. Of Redis, how often it read something, which is a round trip, or
    /// several commands that arrived together. Of Postgres, how many transactions wrote, which is a
    /// commit and a sync each.
    pub async fn turns(&self) -> Option<u64> {
        match self {
            Self::Memory | Self::Embedded(_) => None,
            Self::Redis(_, connection) => {
                let asked = ::redis::cmd("INFO").arg("stats").query(&mut *connection.lock().await);
                let info: String = asked.expect("statistics");
                let line = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
                line.and_then(|reads| reads.trim().parse().ok())
            }
            Self::Postgres(_, connection) => {
                let asked = query_scalar::<_, i64>(WRITTEN).fetch_one(&mut *connection.lock().await).await;
                asked.expect("a number").try_into().ok()
            }
        }
    }
}
