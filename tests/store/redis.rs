//! The store `redis:` under the contract, and under faults of real servers.

use std::sync::Arc;
use std::time::Duration;

use oncegate::store::redis::{Address, RedisStore, Servers, Settings};
use oncegate::store::{Store, Terms};

use crate::servers::redis::Server;

mod commands;
mod faults;
mod fleets;
mod full;
mod loss;
mod marks;
mod steps;
mod unknown;
mod wakeups;

pub const TIMEOUT: Duration = Duration::from_secs(2);

crate::contract::suite!(open().await);

async fn open() -> (Arc<dyn Store>, Server) {
    let server = Server::start();
    (Arc::new(store(&server).await), server)
}

/// Returns settings to reach `server`, as a gateway gets them.
pub fn settings(server: &Server) -> Settings {
    Settings::of(Servers::One(Address::Tcp("127.0.0.1".into(), server.port)))
}

/// Returns the terms that a gateway asks of the store.
pub fn terms() -> Terms {
    Terms::new(TIMEOUT)
}

pub async fn store(server: &Server) -> RedisStore {
    RedisStore::open(settings(server), terms()).await.expect("a store")
}
