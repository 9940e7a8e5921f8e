//! The store `postgres:` under the contract, and under faults of real servers.

use std::sync::Arc;
use std::time::Duration;

use oncegate::store::postgres::{PostgresStore, Settings};
use oncegate::store::{Store, Terms};
use oncegate::workers::Workers;

use crate::servers::postgres::{Server, shared};

mod faults;
mod schema;
mod steps;
mod unknown;
mod wakeups;

pub const TIMEOUT: Duration = Duration::from_secs(2);

crate::contract::suite!(open().await);

async fn open() -> (Arc<dyn Store>, Arc<Server>) {
    let server = shared();
    (Arc::new(store(&server).await), server)
}

/// Returns settings to reach `server`, as a gateway gets them, with tables of their own.
pub fn settings(server: &Server) -> Settings {
    Settings::of(vec![server.options()], crate::servers::postgres::schema())
}

/// Returns the terms that a gateway with several threads asks of the store.
pub fn terms() -> Terms {
    Terms { workers: Workers::start().expect("threads"), ..Terms::new(TIMEOUT) }
}

pub async fn store(server: &Server) -> PostgresStore {
    PostgresStore::open(settings(server), terms()).await.expect("a store")
}
