//! The agreement between a gateway and its store on the names of operations: made before the gateway serves,
//! and kept up while it serves.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, warn};

use crate::backoff::jittered;
use crate::config::{Config, LiveConfig};
use crate::protocol::EntryName;
use crate::routes::identity::{NamesRefusal, earlier, prolonged, refresh_interval, review};
use crate::stop::Stop;
use crate::store::{Names, Replaced, StoreError};

use super::start_deadline::{OpenFailure, StartDeadline};
use super::start_error::StartError;

/// Number of times that a write may lose its comparison. Only gateways that start at the same time compete.
const MOST_CONFLICTS: usize = 64;
/// Longest time between two checks of the entries while a gateway serves. After this time at most, a store
/// that was emptied knows the entries again.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Writes the entries of `config` to the store, if both name operations alike.
///
/// The comparison and the write are one decision: if another gateway writes in between, the comparison is
/// made again.
///
/// # Errors
/// [`StartError`] if the store does not answer for as long as `deadline` lasts.
pub(super) async fn compare_at_start(
    names: &Names,
    config: &Config,
    deadline: &mut StartDeadline,
) -> Result<Option<NamesRefusal>, StartError> {
    loop {
        match compare_once(names, config).await {
            Ok(refusal) => return Ok(refusal),
            Err(error) => {
                let may_pass = !matches!(error, StoreError::Refused(_));
                deadline.wait_after(OpenFailure { cause: error.to_string(), may_pass }).await?;
            }
        }
    }
}

/// Compares a configuration with the entries of the store, and writes its own entries if both name operations
/// alike.
///
/// # Errors
/// As the store's.
pub(super) async fn compare_once(names: &Names, config: &Config) -> Result<Option<NamesRefusal>, StoreError> {
    for _ in 0..MOST_CONFLICTS {
        let snapshot = names.read().await?;
        let (entries, from_earlier) = match &snapshot.entries {
            Some(entries) => {
                let lingering = names.lingering().await?;
                (prolonged(entries, snapshot.now, |namespace| lingering.contains(namespace)), false)
            }
            None => match names.recorded().await? {
                Some(recorded) => (earlier(config, &recorded, snapshot.now), true),
                None => (Vec::new(), false),
            },
        };
        let review = review(config, &entries, snapshot.now);
        if let Some(refusal) = review.refusal(config, from_earlier) {
            return Ok(Some(refusal));
        }
        if snapshot.entries.as_ref() == Some(&review.entries)
            || names.write(&snapshot, &review.entries).await? == Replaced::Stored
        {
            warn_of_changes(&review.accepted, &review.unprotected);
            return Ok(None);
        }
    }
    Err(changed_too_often())
}

fn changed_too_often() -> StoreError {
    StoreError::Unavailable("what it keeps of names changed too often to be written".into())
}

fn warn_of_changes(accepted: &[EntryName], unprotected: &[EntryName]) {
    for name in accepted {
        warn!("{name}: accepted; a retry of what the store holds of it may run again");
    }
    if !unprotected.is_empty() {
        let names: Vec<String> = unprotected.iter().map(EntryName::to_string).collect();
        warn!(
            "the store knows operations on paths that no route covers any more; a retry of one streams to the \
             fallback, unprotected: {}",
            names.join(", ")
        );
    }
}

/// Keeps the entries of the configuration in force alive while its gateway serves, and removes the entries that ended.
pub(super) async fn maintain(names: Names, live: LiveConfig, stop: Stop) {
    let checks = async {
        let mut reported = BTreeSet::new();
        loop {
            let interval = refresh_interval(&live.now().config);
            sleep(jittered(CHECK_INTERVAL.min(interval))).await;
            let loaded = live.now();
            if let Err(error) = refresh(&names, &loaded.config, &mut reported).await {
                warn!("cannot keep up what the store knows of names: {error}");
            }
        }
    };
    stop.unless_cut(checks).await;
}

async fn refresh(names: &Names, config: &Config, reported: &mut BTreeSet<String>) -> Result<(), StoreError> {
    for _ in 0..MOST_CONFLICTS {
        let snapshot = names.read().await?;
        let entries = snapshot.entries.clone().unwrap_or_default();
        let review = review(config, &entries, snapshot.now);
        // This gateway serves, no matter what other gateways do: its records exist already, so its entries
        // must stand.
        let others = review.conflicts.iter().map(|conflict| conflict.entry.name().to_string());
        for name in others.filter(|name| reported.insert(name.clone())) {
            error!(
                "another gateway names operations otherwise than this one does: {name}; keys are not shared"
            );
        }
        if snapshot.entries.as_ref() == Some(&review.entries)
            || names.write(&snapshot, &review.entries).await? == Replaced::Stored
        {
            return Ok(());
        }
    }
    Err(changed_too_often())
}
