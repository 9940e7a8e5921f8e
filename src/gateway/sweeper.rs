//! The sweeper: records the effects of time. An execution with a dead owner becomes unknown even if no
//! attempt asks for it again, and records that are no longer kept are deleted.
//!
//! A round comes every [`SWEEP_INTERVAL`] at most, but it asks the store only if a record can be due. The
//! last look says when the earliest record that it saw is due, and [`Ledger::quiet_after_look`] says when a
//! record can be due that was written since. The first round after the earlier of these two times looks
//! again, so a record is swept at most one interval after its deadline, as if each round looked.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::backoff::jittered;
use crate::protocol::{Reason, Record, RecordId};
use crate::stop::Stop;
use crate::store::{Ledger, RouteTally, Tally};
use crate::telemetry::{Metrics, Unknown};

/// Longest pause between two rounds.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// Longest time between two counts of the unknown records.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// Longest time between two comparisons of the index of unknown records with the records.
const MEND_INTERVAL: Duration = Duration::from_secs(60);
/// Ratio of the wait to the time that a long count or comparison took.
const SHARE: u32 = 10;

/// Sweeps until the cut, in small batches that leave room for other writes, and keeps the metrics of unknown
/// records. Logs an error of the store and goes on with the next round.
pub async fn sweep(ledger: Ledger, metrics: Metrics, stop: Stop) {
    let rounds = async {
        let mut last_look = Look::NONE;
        loop {
            if last_look.is_outdated(&ledger) {
                last_look = sweep_what_is_due(&ledger).await;
            }
            sleep(jittered(SWEEP_INTERVAL)).await;
        }
    };
    stop.unless_cut(async { tokio::join!(rounds, watch_unknown(&ledger, &metrics)) }).await;
}

/// Compares the index of unknown records with the records, and counts by it. The first count comes after the
/// first comparison: after an upgrade the index is empty.
async fn watch_unknown(ledger: &Ledger, metrics: &Metrics) {
    mend(ledger).await;
    let counting = async {
        loop {
            let started = Instant::now();
            match ledger.tally().await {
                Ok(tally) => metrics.set_unknown(&shown(&tally)),
                Err(error) => warn!("cannot count unknown records: {error}"),
            }
            sleep(jittered(COUNT_INTERVAL.max(started.elapsed() * SHARE))).await;
        }
    };
    let mending = async {
        let mut pause = MEND_INTERVAL;
        loop {
            sleep(jittered(pause)).await;
            let started = Instant::now();
            mend(ledger).await;
            pause = MEND_INTERVAL.max(started.elapsed() * SHARE);
        }
    };
    tokio::join!(counting, mending);
}

async fn mend(ledger: &Ledger) {
    match ledger.mend_unknown().await {
        Ok(0) => {}
        Ok(mended) => {
            info!(mended, "the list of unknown outcomes lacked what an earlier release had written")
        }
        Err(error) => warn!("cannot compare the list of unknown outcomes with the records: {error}"),
    }
}

fn shown(tally: &Tally) -> BTreeMap<String, Unknown> {
    let shown = |route: &RouteTally| Unknown {
        records: i64::try_from(route.records).unwrap_or(i64::MAX),
        // An unknown record is not written again until it is decided.
        oldest: tally.now.since(route.oldest),
    };
    tally.routes.iter().map(|(name, route)| (name.clone(), shown(route))).collect()
}

/// A look at the store.
struct Look {
    /// The beginning of the look; `None` if it failed.
    begun: Option<Instant>,
    /// The time from there for which no record that was stored then becomes due.
    quiet_for: Duration,
}

impl Look {
    const NONE: Self = Self { begun: None, quiet_for: Duration::ZERO };

    /// Tells whether a record can be due that the look did not find.
    fn is_outdated(&self, ledger: &Ledger) -> bool {
        let quiet_for = self.quiet_for.min(ledger.quiet_after_look());
        self.begun.is_none_or(|begun| begun.elapsed() >= quiet_for)
    }
}

/// Sweeps everything that is due. Returns the last look.
async fn sweep_what_is_due(ledger: &Ledger) -> Look {
    loop {
        let started = Instant::now();
        match ledger.sweep_and_look_ahead().await {
            Ok((swept, quiet_for)) => {
                if swept.retired + swept.forgotten > 0 {
                    info!(retired = swept.retired, forgotten = swept.forgotten, "retention ended");
                }
                if !swept.more {
                    return Look { begun: Some(started), quiet_for };
                }
                // However much is due, half of the time is left to other writes.
                sleep(started.elapsed()).await;
            }
            Err(error) => {
                warn!("cannot sweep: {error}");
                return Look::NONE;
            }
        }
    }
}

/// Counts and logs one execution that stayed silent past its lease. A ledger calls this for each such
/// execution.
pub fn lapsed(metrics: &Metrics, id: RecordId, record: &Record) {
    let (route, execution) = (&record.route, record.state.n());
    metrics.became_unknown(route, Reason::LeaseOver);
    warn!(
        record = %id, %route, execution, reason = Reason::LeaseOver.to_string(),
        labels = record.labels.shown().map(tracing::field::display),
        "the outcome is unknown: the execution fell silent past its lease"
    );
}
