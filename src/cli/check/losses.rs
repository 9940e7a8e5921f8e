//! The possible losses of a store: when they happen, their effect on the promises, and the settings that
//! reduce them.
//!
//! The questions are the same for each store: a crash, a failover, and the loss of the whole store. The
//! promise at stake is the same too. "At most once" holds provided that the store keeps what it acknowledged.
//! A key that the store lost looks new, and its operation runs again when it is retried.

use crate::cli::page::Page;
use crate::config::units::Span;
use crate::config::{Config, Postgres, Redis, RedisServers, StoreUrl};

/// An event that may happen to a store, and the loss that follows.
type Loss = (&'static str, String);

/// Writes the possible losses of the configured store.
pub(super) fn write(page: &mut Page, config: &Config) {
    page.heading("What the store may lose: such a key looks new, and at most once does not hold for it");
    let losses = match &config.store.url {
        StoreUrl::Memory => memory(),
        StoreUrl::Embedded(_) => embedded(),
        StoreUrl::Redis(redis) => self::redis(redis),
        StoreUrl::Postgres(postgres) => self::postgres(postgres),
    };
    for (when, what) in losses {
        page.row(when, &what);
    }
    if let Some(text) = clock(config) {
        page.row("a clock that jumps", &text);
    }
    page.row(
        "lost or restored",
        "Everything, or what came after the backup. serve --not-before TIME refuses new operations for one \
         ttl, so that retries of what was forgotten do not run again; docs/stores.md says how.",
    );
}

/// Describes the effect of a jump of the store's clock; `None` if no clock that can jump is used.
fn clock(config: &Config) -> Option<String> {
    let (ttl, retention) = (Span(config.shortest_ttl()?), Span(config.shortest_retention()?));
    let at_start = format!(
        "At a start, more than {retention} (the shortest ttl and tombstone_ttl together) ahead of what was last noted, with \
         records there"
    );
    let accept = "serve --accept-clock or POST /v1/accept-clock accepts it";
    match &config.store.url {
        StoreUrl::Memory => None,
        StoreUrl::Embedded(_) => Some(format!(
            "Nothing runs again in silence. {at_start}: nothing begins and nothing is forgotten until the clock is \
             right or {accept}. More than {ttl} (the shortest ttl) warns. While the gateway runs no jump counts."
        )),
        StoreUrl::Redis(_) | StoreUrl::Postgres(_) => Some(format!(
            "Nothing runs again in silence. {at_start}; while a gateway runs, more than {ttl} (the shortest ttl) off, \
             forwards or back: nothing begins and nothing is forgotten until the clock is right or {accept}."
        )),
    }
}

fn memory() -> Vec<Loss> {
    let crash = "Everything, and every retry after it runs its operation again. store.url = \"embedded:DIR\" \
                 keeps what was acknowledged.";
    let failover = "There is none: gateways share nothing, and a retry that reaches another one runs its \
                    operation again. A store that gateways share narrows that.";
    vec![("end of the process", crash.into()), ("a failover", failover.into())]
}

fn embedded() -> Vec<Loss> {
    let crash = "Nothing that was acknowledged: claims and responses survive a crash of the gateway and of the \
                 machine, not the loss of the disk. A disk that fails to sync ends the gateway.";
    let failover = "There is none: one gateway process at a time. An operator who starts another one on a \
                    copy of the directory has lost what came after the copy; a volume that is replicated before it \
                    acknowledges a sync narrows that, and so does a store that gateways share.";
    let full = "Nothing: no operation begins unless the outcomes of all that run fit on it. If others fill it all \
                the same, the gateway ends, and what was acknowledged is there at the next start.";
    vec![("a crash", crash.into()), ("a failover", failover.into()), ("a full disk", full.into())]
}

fn redis(redis: &Redis) -> Vec<Loss> {
    vec![
        ("a crash of Redis", restart(redis.accept_lost)),
        ("a failover", failover(redis)),
        ("FLUSHALL", emptied(redis.accept_lost).into()),
        (
            "a partition",
            "A primary that is cut off goes on taking claims beside the one that was promoted, and what it took \
             is gone when it is back. min-replicas-to-write in Redis narrows that to min-replicas-max-lag."
                .into(),
        ),
    ]
}

fn emptied(accept_lost: bool) -> &'static str {
    match accept_lost {
        true => "Everything, and claims GO ON (accept_lost): what was lost may run again.",
        false => {
            "Everything. The next claim of a gateway that was running finds it out, and none is taken for one ttl; \
             one that starts on the empty store takes it for a new one until then."
        }
    }
}

fn restart(accept_lost: bool) -> String {
    let then = match accept_lost {
        true => "claims GO ON (accept_lost), and what was lost may run again",
        false => "where that is noticed, claims are refused for one ttl",
    };
    format!(
        "What it had not written to its log: with appendonly yes up to a second, with appendfsync always \
         nothing. Without a log, everything since its last snapshot; {then}."
    )
}

fn failover(redis: &Redis) -> String {
    let whose = match &redis.servers {
        RedisServers::One(_) | RedisServers::Socket(_) => "Where this address leads to another server then: ",
        RedisServers::Cluster(_) | RedisServers::Sentinels(..) => "",
    };
    let lost = match redis.wait_replicas {
        0 => "best effort. What the promoted replica did not have yet is lost, which may be what was \
              acknowledged last. wait_replicas = 1 (or more) narrows that."
            .to_owned(),
        replicas => format!(
            "best effort. A claim or response counts once {replicas} replicas have it in memory \
             (wait_replicas); lost is what the promoted one lacks, where it is not among them."
        ),
    };
    format!("{whose}{lost}")
}

fn postgres(postgres: &Postgres) -> Vec<Loss> {
    let crash = "Nothing that was acknowledged, unless fsync or full_page_writes is off there, which a gateway \
                 warns of when it starts.";
    let whose = match postgres.servers.len() {
        1 => "Where this address leads to another server then: ",
        _ => "",
    };
    let failover = format!(
        "{whose}nothing with synchronous_standby_names in Postgres (and synchronous_commit on or higher) if one of \
         those is promoted. Else what the promoted one did not have yet, which may be what was acknowledged last."
    );
    let partition = "A primary that is cut off goes on taking claims beside the one that was promoted, and what it \
                     took is gone when it is back. synchronous_standby_names closes that: without its standby it \
                     commits nothing.";
    vec![("a crash of Postgres", crash.into()), ("a failover", failover), ("a partition", partition.into())]
}
