//! `redis:` under the contract, and against what can happen to real servers.

use std::sync::Arc;
use std::time::Duration;

use oncegate::store::Store;
use oncegate::store::redis::{Address, RedisSettings, RedisStore, Topology};

use crate::servers::redis::Server;

mod faults;
mod fleets;
mod loss;
mod steps;
mod wakeups;

pub const TIMEOUT: Duration = Duration::from_secs(2);

crate::contract::suite!(open().await);

async fn open() -> (Arc<dyn Store>, Server) {
    let server = Server::start();
    (Arc::new(store(&server).await), server)
}

/// How to reach `server`, as a gateway would be told.
pub fn settings(server: &Server) -> RedisSettings {
    RedisSettings {
        topology: Topology::Single,
        addresses: vec![Address::Tcp("127.0.0.1".into(), server.port)],
        tls: false,
        ca: None,
        username: None,
        password: None,
        sentinel_username: None,
        sentinel_password: None,
        database: 0,
        prefix: "oncegate:".into(),
        timeout: TIMEOUT,
        wait_replicas: 0,
        longest_ttl: Duration::from_secs(24 * 60 * 60),
        accept_lost: false,
    }
}

pub async fn store(server: &Server) -> RedisStore {
    RedisStore::open(settings(server)).await.expect("a store")
}
