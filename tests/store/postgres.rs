//! The store `postgres:` under the contract, and under faults of real servers.

use std::sync::Arc;
use std::time::Duration;

use oncegate::store::Store;
use oncegate::store::postgres::{PostgresSettings, PostgresStore};
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
pub fn settings(server: &Server) -> PostgresSettings {
    PostgresSettings {
        servers: vec![server.options()],
        schema: crate::servers::postgres::schema(),
        timeout: TIMEOUT,
        workers: Workers::start().expect("threads"),
    }
}

pub async fn store(server: &Server) -> PostgresStore {
    PostgresStore::open(settings(server)).await.expect("a store")
}
