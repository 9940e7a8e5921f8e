//! What is promised at each boundary. "Exactly once" is not: a proxy is not part of the upstream's
//! transaction. Each statement carries its conditions.

use super::store;
use crate::cli::page::Page;
use crate::config::{Config, OnStoreError, Redis, Route, StoreUrl};
use crate::protocol::OnUnknown;

/// Writes the promise of every boundary under this configuration.
pub(super) fn write(page: &mut Page, config: &Config) {
    page.heading("What is promised, boundary by boundary");
    page.row(
        "client → gateway",
        "Delivery is at-least-once: clients may retry as often as they like, also at the same time.",
    );
    page.row("gateway → store", &gateway_to_store(config));
    for policy in [OnUnknown::Hold, OnUnknown::Retry, OnUnknown::Probe, OnUnknown::Marker] {
        let routes: Vec<&str> = routes_with(config, policy).map(|route| &*route.name).collect();
        if !routes.is_empty() {
            let text = format!("{} (routes: {})", gateway_to_upstream(policy), routes.join(", "));
            page.row("gateway → upstream", &text);
        }
    }
    let bypassing = config.routes.iter().filter(|route| route.on_store_error == OnStoreError::Bypass);
    let bypassing: Vec<&str> = bypassing.map(|route| &*route.name).collect();
    if !bypassing.is_empty() {
        let text = "on_store_error = \"bypass\": NONE of this holds while the store does not answer. Attempts are \
                    forwarded unprotected, and whatever is retried runs again";
        page.row("gateway → upstream", &format!("{text} (routes: {})", bypassing.join(", ")));
    }
    page.row(
        "gateway → client",
        "Every answer given as stored has the first one's status, body and kept headers until its ttl \
         ends, or is a problem that says what is known. One marked Idempotency-Stored: false may \
         differ from later ones.",
    );
}

fn routes_with(config: &Config, policy: OnUnknown) -> impl Iterator<Item = &Route> {
    config.routes.iter().map(|route| &**route).filter(move |route| route.policy.on_unknown == policy)
}

fn gateway_to_store(config: &Config) -> String {
    let durability = match &config.store.url {
        StoreUrl::Redis(redis) => &*redis_durability(redis),
        StoreUrl::Postgres(_) => {
            "Kept as Postgres keeps it: a crash of Postgres loses nothing that was acknowledged. A failover \
             to a standby that replicates asynchronously may lose what was acknowledged last, and a key that \
             is lost so runs its operation again on the next retry; synchronous_standby_names in Postgres, \
             with synchronous_commit on or higher, closes that."
        }
        StoreUrl::Embedded(_) => {
            "Claims and responses are synced to disk before they are acted on: they survive a crash of \
             the gateway and of the machine, not the loss of the disk. One gateway process at a time."
        }
        StoreUrl::Memory => {
            "NOT durable: everything is forgotten when the process ends, and a retry after that runs its \
             operation again."
        }
    };
    let claim = "One atomic claim per operation, as long as the store keeps what it acknowledged.";
    format!("{claim} {}: {durability}", store(&config.store.url))
}

/// What a crash and a failover may lose, and what narrows that.
fn redis_durability(redis: &Redis) -> String {
    let failover = match redis.wait_replicas {
        0 => "A failover may lose what was acknowledged last, and a key that is lost so runs its operation \
              again on the next retry; wait_replicas = 1 (or more) narrows that to writes that the promoted \
              replica did not have, min-replicas-to-write in Redis bounds what a primary cut off from its \
              replicas still takes."
            .into(),
        replicas => format!(
            "A claim or response counts once {replicas} replicas have it in memory; a failover to a replica \
             that is not among them may still lose it."
        ),
    };
    let lost = match redis.accept_lost {
        true => {
            "After a restart of Redis that lost data claims GO ON (accept_lost): what was lost may run again."
        }
        false => "After a restart of Redis that lost data claims are refused for one ttl.",
    };
    format!(
        "Kept as Redis keeps it: with appendonly yes a crash of Redis loses up to a second, with appendfsync \
         always nothing. {failover} {lost}"
    )
}

fn gateway_to_upstream(policy: OnUnknown) -> &'static str {
    match policy {
        OnUnknown::Hold => {
            "on_unknown = \"hold\": at most once per operation until its tombstone ends, provided the store \
             keeps what it acknowledged, nothing between gateway and upstream repeats a request, and \
             every status listed as release is true. What cannot be decided is held as unknown and \
             shown. An operator who declares \"not executed\" steps outside this promise."
        }
        OnUnknown::Retry => {
            "on_unknown = \"retry\": may run more than once, with the same key forwarded; at least once \
             only if a client keeps retrying until it gets an answer."
        }
        OnUnknown::Probe => {
            "on_unknown = \"probe\": the upstream is asked what happened before anything runs again; a \
             request still in flight can execute after it answered."
        }
        OnUnknown::Marker => {
            "on_unknown = \"marker\": at most one committed effect, and exactly one once a stored success \
             was answered, for what the upstream's own transaction covers, while the marker table is \
             durable, its rows are kept, and the upstream fails on a conflict."
        }
    }
}
