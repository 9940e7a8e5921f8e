//! The store that a configuration names.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use crate::clock::{SteadyClock, Timestamp};
use crate::config::{Config, HostPort, Postgres, Redis, RedisServers, StoreUrl};
use crate::store::Store;
use crate::store::embedded::EmbeddedStore;
use crate::store::memory::MemoryStore;
use crate::store::postgres::{PostgresSettings, PostgresStore};
use crate::store::redis::{Address, RedisSettings, RedisStore, Topology};

use crate::workers::Workers;

use super::StartError;
use super::clock;
use super::patience::{Patience, Trouble};

/// Opens the store, and waits for a store that does not answer yet.
pub(super) async fn open(
    config: &Config,
    workers: Workers,
    patience: &mut Patience,
) -> Result<Arc<dyn Store>, StartError> {
    loop {
        match try_to_open(config, workers.clone()).await? {
            Ok(store) => return Ok(store),
            Err(trouble) => patience.after(trouble).await?,
        }
    }
}

async fn try_to_open(
    config: &Config,
    workers: Workers,
) -> Result<Result<Arc<dyn Store>, Trouble>, StartError> {
    Ok(match &config.store.url {
        StoreUrl::Memory => {
            Ok(Arc::new(MemoryStore::new(Arc::new(SteadyClock::starting(Timestamp::default())))))
        }
        StoreUrl::Embedded(directory) => match EmbeddedStore::open_within(directory, clock::limits(config)) {
            Ok(store) => Ok(Arc::new(store.with_outcomes_of(largest_response(config)))),
            Err(error) => Err(trouble("store.url", &error, error.may_pass())),
        },
        StoreUrl::Redis(redis) => match RedisStore::open(redis_settings(config, redis, workers)?).await {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => Err(trouble(format!("store.url = {redis}"), &error, error.may_pass())),
        },
        StoreUrl::Postgres(postgres) => {
            match PostgresStore::open(postgres_settings(config, postgres, workers)?).await {
                Ok(store) => Ok(Arc::new(store)),
                Err(error) => Err(trouble(format!("store.url = {postgres}"), &error, error.may_pass())),
            }
        }
    })
}

/// Returns the most bytes that one response takes in the store: a body and a head.
fn largest_response(config: &Config) -> u64 {
    let body = config.routes.iter().map(|route| route.max_response_body).max().unwrap_or(0);
    let head = config.upstreams.values().map(|upstream| upstream.response_head_limit).max().unwrap_or(0);
    body.saturating_add(head) as u64
}

fn trouble(key: impl Display, error: &dyn Error, may_pass: bool) -> Trouble {
    Trouble { cause: format!("{key}: {error}"), may_pass }
}

pub(super) fn redis_settings(
    config: &Config,
    redis: &Redis,
    workers: Workers,
) -> Result<RedisSettings, StartError> {
    let tcp = |(host, port): &HostPort| Address::Tcp(host.clone(), *port);
    let (topology, addresses) = match &redis.servers {
        RedisServers::One(address) => (Topology::Single, vec![tcp(address)]),
        RedisServers::Socket(path) => (Topology::Single, vec![Address::Unix(path.clone())]),
        RedisServers::Cluster(nodes) => (Topology::Cluster, nodes.iter().map(tcp).collect()),
        RedisServers::Sentinels(all, name) => {
            (Topology::Sentinel(name.clone()), all.iter().map(tcp).collect())
        }
    };
    let ca = redis.ca.as_ref().map(std::fs::read).transpose();
    Ok(RedisSettings {
        topology,
        addresses,
        tls: redis.tls,
        ca: ca.map_err(|error| StartError(format!("store.ca: {error}")))?,
        username: redis.username.clone(),
        password: redis.password.clone().map(|secret| secret.0),
        sentinel_username: redis.sentinel_username.clone(),
        sentinel_password: redis.sentinel_password.clone().map(|secret| secret.0),
        database: redis.database.into(),
        prefix: redis.prefix.clone(),
        timeout: config.store.timeout,
        wait_replicas: redis.wait_replicas,
        longest_ttl: config.routes.iter().map(|route| route.policy.ttl).max().unwrap_or_default(),
        largest_response: largest_response(config),
        accept_lost: redis.accept_lost,
        workers,
    })
}

pub(super) fn postgres_settings(
    config: &Config,
    postgres: &Postgres,
    workers: Workers,
) -> Result<PostgresSettings, StartError> {
    let servers = postgres.servers.iter().map(|url| {
        let server = PgConnectOptions::from_str(&url.0);
        let server = server.map_err(|error| StartError(format!("store.url = {postgres}: {error}")))?;
        Ok(match &postgres.ca {
            Some(ca) => server.ssl_root_cert(ca),
            None => server,
        })
    });
    Ok(PostgresSettings {
        servers: servers.collect::<Result<_, StartError>>()?,
        schema: postgres.schema.clone(),
        timeout: config.store.timeout,
        workers,
    })
}
