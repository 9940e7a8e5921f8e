//! The stores that gateways can share, each on a real server.

use std::sync::Arc;

use crate::servers::preload::WallClock;
use crate::servers::{postgres, redis};

/// A store that gateways can share.
pub enum Store {
    Redis(redis::Server),
    Postgres { server: Arc<postgres::Server>, schema: String },
}

impl Store {
    pub fn redis() -> Self {
        Self::Redis(redis::Server::start())
    }

    pub fn postgres() -> Self {
        Self::Postgres { server: postgres::shared(), schema: postgres::schema() }
    }

    pub fn redis_going_by(clock: &WallClock) -> Self {
        Self::Redis(redis::Server::going_by(clock))
    }

    pub fn postgres_going_by(clock: &WallClock) -> Self {
        let server = Arc::new(postgres::Server::going_by(clock));
        Self::Postgres { server, schema: postgres::schema() }
    }

    /// Returns the port of its server.
    pub fn port(&self) -> u16 {
        match self {
            Self::Redis(server) => server.port,
            Self::Postgres { server, .. } => server.port,
        }
    }

    /// Returns lines for `[store]`.
    pub fn lines(&self) -> String {
        self.lines_at(self.port())
    }

    /// Returns lines for `[store]` that lead to the server through another port.
    pub fn lines_at(&self, port: u16) -> String {
        match self {
            Self::Redis(_) => format!("url = \"redis://127.0.0.1:{port}\""),
            Self::Postgres { schema, .. } => {
                format!("url = \"postgres://oncegate@127.0.0.1:{port}/postgres\"\nschema = \"{schema}\"")
            }
        }
    }
}

/// Runs each check on each store.
macro_rules! on_every_store {
    ($($check:ident),* $(,)?) => {
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::store::Store::redis()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::store::Store::postgres()).await;
                }
            )*
        }
    };
}
pub(crate) use on_every_store;
