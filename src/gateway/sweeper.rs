//! The sweeper: writes down what time has done, so that an execution whose owner died shows as
//! unknown also when nobody asks for it again, and what is no longer kept takes no room.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::backoff::jittered;
use crate::protocol::{Reason, Record, RecordId};
use crate::store::{Ledger, RouteTally, Tally};
use crate::telemetry::{Metrics, Unknown};

use super::Stop;

/// How long nothing is swept after everything due was.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// The wait between two counts of unknown records.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// The wait between two comparisons of the index of unknown records with the records.
const MEND_INTERVAL: Duration = Duration::from_secs(60);
/// After a long count or comparison the wait is so many times as long as that took.
const SHARE: u32 = 10;

/// Sweeps until the cut, and keeps the metrics of unknown records. Small batches with everybody else's writes in
/// between; an error of the store is logged and the next round goes on.
pub async fn sweep(ledger: Ledger, metrics: Metrics, stop: Stop) {
    let rounds = async {
        loop {
            sweep_what_is_due(&ledger).await;
            sleep(SWEEP_INTERVAL).await;
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

async fn sweep_what_is_due(ledger: &Ledger) {
    loop {
        let started = Instant::now();
        match ledger.sweep().await {
            Ok(swept) => {
                if swept.retired + swept.forgotten > 0 {
                    info!(retired = swept.retired, forgotten = swept.forgotten, "retention ended");
                }
                if !swept.more {
                    return;
                }
                // However much is due, half of the time is for others.
                sleep(started.elapsed()).await;
            }
            Err(error) => return warn!("cannot sweep: {error}"),
        }
    }
}

/// Tells of one execution that fell silent past its lease: what a ledger calls for each of them.
pub fn lapsed(metrics: &Metrics, id: RecordId, record: &Record) {
    let (route, execution) = (&record.route, record.state.n());
    metrics.became_unknown(route, Reason::LeaseOver);
    warn!(
        record = %id, %route, execution, reason = %Reason::LeaseOver,
        "the outcome is unknown: the execution fell silent past its lease"
    );
}
