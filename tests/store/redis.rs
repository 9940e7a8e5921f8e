//! The store `redis:` under the contract, and under faults of real servers.

use std::sync::Arc;
use std::time::Duration;

use oncegate::store::Store;
use oncegate::store::redis::{Address, RedisSettings, RedisStore};

use crate::servers::redis::Server;

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
pub fn settings(server: &Server) -> RedisSettings {
    RedisSettings::single(Address::Tcp("127.0.0.1".into(), server.port), TIMEOUT)
}

pub async fn store(server: &Server) -> RedisStore {
    RedisStore::open(settings(server)).await.expect("a store")
}
