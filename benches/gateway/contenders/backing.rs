//! The store of a contender's records, and its counters.

use sqlx::{ConnectOptions, PgConnection, query_scalar};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::servers::{postgres, redis};

/// Query of the number of writing transactions. Such transactions have numbers of their own, and the
/// next number tells the count at once, while the server's statistics are up to a second late.
const TRANSACTIONS: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

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

/// A store used by one contender only. It ends when dropped.
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
            // The system's directory for temporary files is not used, because it may be in memory and
            // sync nothing.
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

    /// Returns the URL in the form of the configuration and of [`crate::floors`].
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// Returns the URL with another port.
    pub fn url_at(&self, port: u16) -> String {
        match self {
            Self::Memory => "memory:".into(),
            Self::Embedded(directory) => format!("embedded:{}", directory.path().join("records").display()),
            Self::Redis(..) => format!("redis://127.0.0.1:{port}"),
            Self::Postgres(..) => format!("postgres://oncegate@127.0.0.1:{port}/postgres?sslmode=disable"),
        }
    }

    /// Returns the port on which the store's server listens, or 0 if it has no server.
    pub fn port(&self) -> u16 {
        match self {
            Self::Memory | Self::Embedded(_) => 0,
            Self::Redis(server, _) => server.port,
            Self::Postgres(server, _) => server.port,
        }
    }

    /// Returns the process of the store's server, if there is one.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Memory | Self::Embedded(_) => None,
            Self::Redis(server, _) => Some(server.pid()),
            Self::Postgres(server, _) => Some(server.pid()),
        }
    }

    /// Returns the number of accesses so far. For Redis this is the number of reads from sockets: a read
    /// is a round trip, or several commands that arrived together. For Postgres it is the number of
    /// writing transactions, each with a commit and a sync.
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
                let asked =
                    query_scalar::<_, i64>(TRANSACTIONS).fetch_one(&mut *connection.lock().await).await;
                asked.expect("a number").try_into().ok()
            }
        }
    }
}
