//! The stores, each on a real server or disk, and configurations for them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::harness::Upstream;
use crate::process::{Process, Started};
use crate::servers::{postgres, redis};

/// A store, an upstream, and a directory for files.
pub struct Place {
    pub upstream: Arc<Upstream>,
    pub directory: TempDir,
    pub store: Store,
}

pub enum Store {
    Embedded,
    Redis(redis::Server),
    Postgres { server: Arc<postgres::Server>, schema: String },
}

impl Place {
    pub async fn of(store: Store) -> Self {
        let directory = TempDir::new().expect("a directory");
        Self { upstream: Upstream::start().await, directory, store }
    }

    pub async fn embedded() -> Self {
        Self::of(Store::Embedded).await
    }

    pub async fn redis() -> Self {
        Self::of(Store::Redis(redis::Server::start())).await
    }

    pub async fn postgres() -> Self {
        Self::of(Store::Postgres { server: postgres::shared(), schema: postgres::schema() }).await
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns lines for `[store]`.
    fn lines(&self) -> String {
        match &self.store {
            Store::Embedded => "url = \"embedded:oncegate-data\"".into(),
            Store::Redis(server) => format!("url = \"redis://127.0.0.1:{}\"", server.port),
            Store::Postgres { server, schema } => format!(
                "url = \"postgres://oncegate@127.0.0.1:{}/postgres\"\nschema = \"{schema}\"",
                server.port
            ),
        }
    }

    /// Returns a file with more lines for the store and with these routes: name, path, further lines.
    pub fn file(&self, store: &str, routes: &[(&str, &str, &str)]) -> String {
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[store]\n{}\n{store}\n\
             [upstreams.payments]\nurl = \"http://{}\"\n[fallback]\nupstream = \"payments\"\n",
            self.lines(),
            self.upstream.address
        );
        for (name, path, lines) in routes {
            text.push_str(&format!(
                "[[routes]]\nname = \"{name}\"\npath = \"{path}\"\nmethods = [\"POST\"]\n\
                 upstream = \"payments\"\n{lines}\n"
            ));
        }
        text
    }

    /// Starts a gateway with this file.
    pub async fn start(&self, store: &str, routes: &[(&str, &str, &str)]) -> Started {
        Process::with_file(&self.file(store, routes), self.path()).started().await
    }

    /// Starts a gateway that must serve.
    pub async fn serve(&self, store: &str, routes: &[(&str, &str, &str)]) -> (Process, SocketAddr) {
        self.start(store, routes).await.serving()
    }

    /// Starts `serve --upstream` in the directory.
    pub async fn quick_start(&self) -> Started {
        self.quick_start_with(&[]).await
    }

    /// Starts `serve --upstream` with more variables in its environment.
    pub async fn quick_start_with(&self, more: &[(&str, String)]) -> Started {
        let listen = |name| (name, "127.0.0.1:0".to_owned());
        let mut environment = vec![listen("ONCEGATE__SERVER__LISTEN"), listen("ONCEGATE__ADMIN__LISTEN")];
        environment.extend_from_slice(more);
        let upstream = format!("http://{}", self.upstream.address);
        Process::run(&["serve", "--upstream", &upstream], &environment, self.path()).started().await
    }

    /// Removes the entries, which an earlier release did not write. No gateway may have an embedded store
    /// open.
    pub async fn forget_names(&self) {
        match &self.store {
            Store::Embedded => {
                let data = self.path().join("oncegate-data/data");
                let database = fjall::Database::builder(data).open().expect("the engine opens");
                let meta = database.keyspace("meta", fjall::KeyspaceCreateOptions::default).expect("a table");
                assert!(meta.get("names").expect("a look").is_some());
                meta.remove("names").expect("a removal");
                database.persist(fjall::PersistMode::SyncAll).expect("synced");
            }
            Store::Redis(server) => assert_eq!(server.say::<u64>("DEL oncegate:{00}:names"), 1),
            Store::Postgres { server, schema } => {
                server.run(&format!("DROP TABLE {schema}.names")).await;
                server.run(&format!("DELETE FROM {schema}.migration WHERE version = 2")).await;
            }
        }
    }
}

/// Returns the entry that a refusal names for a method and path, in the form in which it is accepted.
pub fn printed(refusal: &str, entry: &str) -> String {
    let line = refusal.lines().find(|line| line.starts_with(&format!("{entry}#")));
    line.unwrap_or_else(|| panic!("{entry} is not in {refusal}")).to_owned()
}

/// Runs each check on each store.
macro_rules! on_every_store {
    ($($check:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::place::Place::embedded().await).await;
                }
            )*
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::place::Place::redis().await).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::place::Place::postgres().await).await;
                }
            )*
        }
    };
}
pub(crate) use on_every_store;

/// Runs each check on each store that gateways can share.
macro_rules! on_every_shared_store {
    ($($check:ident),* $(,)?) => {
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::place::Place::redis().await).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check($crate::place::Place::postgres().await).await;
                }
            )*
        }
    };
}
pub(crate) use on_every_shared_store;
