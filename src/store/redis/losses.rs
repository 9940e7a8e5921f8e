//! The possible losses of Redis: the events, their effects, and the settings that reduce them.

use crate::store::Loss;

use super::settings::{Servers, Settings};

/// Returns the events that may happen to Redis, each with what is lost then.
pub(super) fn of(redis: &Settings) -> Vec<Loss> {
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

fn failover(redis: &Settings) -> String {
    let whose = match &redis.servers {
        Servers::One(_) => "Where this address leads to another server then: ",
        Servers::Cluster(_) | Servers::Sentinels(_) => "",
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
