//! The agreement between a gateway and its store on the names of operations: made before the gateway serves,
//! and kept up while it serves.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, warn};

use crate::backoff::jittered;
use crate::config::Config;
use crate::protocol::EntryName;
use crate::routes::identity::{Refusal, earlier, prolonged, refresh_interval, review};
use crate::stop::Stop;
use crate::store::{Names, Replaced, StoreError};

use super::patience::{Patience, Trouble};
use super::start_error::StartError;

/// Number of times that a write may lose its comparison. Only gateways that start at the same time compete.
const MOST_CONFLICTS: usize = 64;
/// Longest time between two looks at the entries while a gateway serves. After this time, a store that was
/// emptied knows the entries again.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Writes the entries of `config` to the store, if both name operations alike.
///
/// The comparison and the write are one decision: if another gateway writes in between, the comparison is
/// made again.
///
/// # Errors
/// [`StartError`] if the store does not answer for as long as `patience` lasts.
pub(super) async fn settle(
    names: &Names,
    config: &Config,
    patience: &mut Patience,
) -> Result<Option<Refusal>, StartError> {
    loop {
        match try_to_settle(names, config).await {
            Ok(settled) => return Ok(settled),
            Err(error) => {
                let may_pass = !matches!(error, StoreError::Refused(_));
                patience.after(Trouble { cause: error.to_string(), may_pass }).await?;
            }
        }
    }
}

async fn try_to_settle(names: &Names, config: &Config) -> Result<Option<Refusal>, StoreError> {
    for _ in 0..MOST_CONFLICTS {
        let known = names.read().await?;
        let (entries, from_earlier) = match &known.entries {
            Some(entries) => {
                let lingering = names.lingering().await?;
                (prolonged(entries, known.now, |namespace| lingering.contains(namespace)), false)
            }
            None => match names.recorded().await? {
                Some(recorded) => (earlier(config, &recorded, known.now), true),
                None => (Vec::new(), false),
            },
        };
        let review = review(config, &entries, known.now);
        if let Some(refusal) = review.refusal(config, from_earlier) {
            return Ok(Some(refusal));
        }
        if known.entries.as_ref() == Some(&review.entries)
            || names.write(&known, &review.entries).await? == Replaced::Stored
        {
            tell(&review.accepted, &review.unprotected);
            return Ok(None);
        }
    }
    Err(changed_too_often())
}

fn changed_too_often() -> StoreError {
    StoreError::Unavailable("what it keeps of names changed too often to be written".into())
}

fn tell(accepted: &[EntryName], unprotected: &[EntryName]) {
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

/// Keeps the entries of `config` alive while its gateway serves, and removes the entries that ended.
pub(super) async fn keep(names: Names, config: Config, stop: Stop) {
    let looks = async {
        let mut said = BTreeSet::new();
        loop {
            sleep(jittered(LOOK_INTERVAL.min(refresh_interval(&config)))).await;
            if let Err(error) = look(&names, &config, &mut said).await {
                warn!("cannot keep up what the store knows of names: {error}");
            }
        }
    };
    stop.unless_cut(looks).await;
}

async fn look(names: &Names, config: &Config, said: &mut BTreeSet<String>) -> Result<(), StoreError> {
    for _ in 0..MOST_CONFLICTS {
        let known = names.read().await?;
        let entries = known.entries.clone().unwrap_or_default();
        let review = review(config, &entries, known.now);
        // This gateway serves, no matter what other gateways do: its records exist already, so its entries
        // must stand.
        let others = review.conflicts.iter().map(|conflict| conflict.entry.name().to_string());
        for name in others.filter(|name| said.insert(name.clone())) {
            error!(
                "another gateway names operations otherwise than this one does: {name}; keys are not shared"
            );
        }
        if known.entries.as_ref() == Some(&review.entries)
            || names.write(&known, &review.entries).await? == Replaced::Stored
        {
            return Ok(());
        }
    }
    Err(changed_too_often())
}
