//! The agreement between a gateway and its store on the names of operations: made before the gateway serves,
//! and kept up while it serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, warn};

use crate::backoff::jittered;
use crate::clock::Timestamp;
use crate::config::{Config, LiveConfig};
use crate::gateway::Gateway;
use crate::protocol::{Entry, EntryName};
use crate::routes::LiveRoutes;
use crate::routes::identity::{
    NamesRefusal, Review, earlier, prolonged, refresh_interval, review, review_change,
};
use crate::stop::Stop;
use crate::store::{Names, NamesSnapshot, Replaced, StoreError};

use super::start_deadline::{OpenFailure, StartDeadline};
use super::start_error::StartError;

/// Number of times that a write may lose its comparison. Only gateways that start at the same time compete.
const MOST_CONFLICTS: usize = 64;
/// Longest time between two checks of the entries while a gateway serves. After this time at most, a store
/// that was emptied knows the entries again.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// The agreement with the store, and the parts of the gateway that learn from its entries.
#[derive(Clone)]
pub(super) struct Agreement {
    pub(super) names: Names,
    pub(super) routes: LiveRoutes,
    pub(super) gateway: Arc<Gateway>,
}

/// A comparison of a configuration with entries: those to write, and the reason for which they are not written.
type Compared = (Review, Option<NamesRefusal>);

impl Agreement {
    /// Writes the entries of `config` to the store, if both name operations alike.
    ///
    /// The comparison and the write are one decision: if another gateway writes in between, the comparison is
    /// made again.
    ///
    /// # Errors
    /// [`StartError`] if the store does not answer for as long as `deadline` lasts.
    pub(super) async fn compare_at_start(
        &self,
        config: &Config,
        deadline: &mut StartDeadline,
    ) -> Result<Option<NamesRefusal>, StartError> {
        loop {
            match self.compare_for_start(config).await {
                Ok(refusal) => return Ok(refusal),
                Err(error) => {
                    let may_pass = !matches!(error, StoreError::Refused(_));
                    deadline.wait_after(OpenFailure { cause: error.to_string(), may_pass }).await?;
                }
            }
        }
    }

    async fn compare_for_start(&self, config: &Config) -> Result<Option<NamesRefusal>, StoreError> {
        for _ in 0..MOST_CONFLICTS {
            let snapshot = self.names.read().await?;
            let (entries, from_earlier) = match &snapshot.entries {
                Some(_) => (self.prolonged(&snapshot).await?, false),
                None => match self.names.recorded().await? {
                    Some(recorded) => (earlier(config, &recorded, snapshot.now), true),
                    None => (Vec::new(), false),
                },
            };
            let review = review(config, &entries, snapshot.now);
            let refusal = review.refusal(config, from_earlier);
            if let Some(compared) = self.write(&snapshot, (review, refusal)).await? {
                return Ok(compared);
            }
        }
        Err(changed_too_often())
    }

    /// Writes the entries of `new` to the store, if operations keep the names and the protection that they
    /// have under the configuration in force.
    ///
    /// # Errors
    /// As the store's.
    pub(super) async fn compare_for_reload(
        &self,
        current: &Config,
        new: &Config,
    ) -> Result<Option<NamesRefusal>, StoreError> {
        for _ in 0..MOST_CONFLICTS {
            let snapshot = self.names.read().await?;
            let entries = self.prolonged(&snapshot).await?;
            let compared = review_change(current, new, &entries, snapshot.now);
            if let Some(compared) = self.write(&snapshot, compared).await? {
                return Ok(compared);
            }
        }
        Err(changed_too_often())
    }

    /// Returns the entries that were read, with the lives that cut-off executions give them.
    async fn prolonged(&self, snapshot: &NamesSnapshot) -> Result<Vec<Entry>, StoreError> {
        let Some(entries) = &snapshot.entries else { return Ok(Vec::new()) };
        let lingering = self.names.lingering().await?;
        Ok(prolonged(entries, snapshot.now, |namespace| lingering.contains(namespace)))
    }

    /// Writes the entries of a comparison, unless it is a refusal. Returns `None` if another gateway wrote in
    /// between, else the refusal.
    async fn write(
        &self,
        snapshot: &NamesSnapshot,
        (review, refusal): Compared,
    ) -> Result<Option<Option<NamesRefusal>>, StoreError> {
        if refusal.is_some() {
            return Ok(Some(refusal));
        }
        let is_same = snapshot.entries.as_ref() == Some(&review.entries);
        if !is_same && self.names.write(snapshot, &review.entries).await? != Replaced::Stored {
            return Ok(None);
        }
        self.learn(&review.entries, snapshot.now);
        warn_of_changes(&review.accepted, &review.unprotected);
        Ok(Some(None))
    }

    /// Takes up what the entries say of records that earlier settings or other gateways made.
    fn learn(&self, entries: &[Entry], now: Timestamp) {
        for Entry { longest_ttl: (ttl, until), largest_request, .. } in entries {
            self.routes.remember_ttl(*ttl, until.since(now));
            self.gateway.remember_request_of(*largest_request);
        }
    }

    /// Keeps the entries of the configuration in force alive while its gateway serves, and removes the entries
    /// that ended.
    pub(super) async fn maintain(self, live: LiveConfig, stop: Stop) {
        let checks = async {
            let mut reported = BTreeSet::new();
            loop {
                let interval = refresh_interval(&live.now().config);
                sleep(jittered(CHECK_INTERVAL.min(interval))).await;
                let loaded = live.now();
                if let Err(error) = self.refresh(&loaded.config, &mut reported).await {
                    warn!("cannot keep up what the store knows of names: {error}");
                }
            }
        };
        stop.unless_cut(checks).await;
    }

    async fn refresh(&self, config: &Config, reported: &mut BTreeSet<String>) -> Result<(), StoreError> {
        for _ in 0..MOST_CONFLICTS {
            let snapshot = self.names.read().await?;
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
                || self.names.write(&snapshot, &review.entries).await? == Replaced::Stored
            {
                self.learn(&review.entries, snapshot.now);
                return Ok(());
            }
        }
        Err(changed_too_often())
    }
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
            "the store knows operations on paths that no route covers any more, or not in each spelling; a retry \
             of one streams to the fallback, unprotected: {}",
            names.join(", ")
        );
    }
}
