//! The sweeper: records the effects of time. An execution with a dead owner becomes unknown even if no
//! attempt asks for it again, and records that are no longer kept are deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::protocol::{Reason, Record, RecordId};
use crate::stop::Stop;
use crate::store::{Filter, Ledger, StoreError};
use crate::telemetry::{Metrics, Unknown};

/// Pause after a round that has swept everything due.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two counts of the unknown records.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// Number of records on one page of that count, and number of pages read at most.
const COUNT_PAGES: (usize, usize) = (1000, 100);

/// Sweeps until the cut, in small batches that leave room for other writes. Logs an error of the store and
/// goes on with the next round.
pub async fn sweep(ledger: Ledger, metrics: Metrics, stop: Stop) {
    let rounds = async {
        let mut count_at = Instant::now();
        loop {
            sweep_what_is_due(&ledger).await;
            if Instant::now() >= count_at {
                count_at = Instant::now() + COUNT_INTERVAL;
                match count_unknown(&ledger).await {
                    Ok(unknown) => metrics.set_unknown(&unknown),
                    Err(error) => warn!("cannot count unknown records: {error}"),
                }
            }
            sleep(SWEEP_INTERVAL).await;
        }
    };
    stop.unless_cut(rounds).await;
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
                // However much is due, half of the time is left to other writes.
                sleep(started.elapsed()).await;
            }
            Err(error) => return warn!("cannot sweep: {error}"),
        }
    }
}

/// Counts and logs one execution that stayed silent past its lease. A ledger calls this for each such
/// execution.
pub fn lapsed(metrics: &Metrics, id: RecordId, record: &Record) {
    let (route, execution) = (&record.route, record.state.n());
    metrics.became_unknown(route, Reason::LeaseOver);
    warn!(
        record = %id, %route, execution, reason = %Reason::LeaseOver,
        "the outcome is unknown: the execution fell silent past its lease"
    );
}

async fn count_unknown(ledger: &Ledger) -> Result<BTreeMap<String, Unknown>, StoreError> {
    let (limit, pages) = COUNT_PAGES;
    let mut found: BTreeMap<String, Unknown> = BTreeMap::new();
    let mut filter = Filter { state: Some("unknown"), ..Filter::default() };
    for _ in 0..pages {
        let page = ledger.page(filter.clone(), limit).await?;
        for (_, record) in &page.records {
            let unknown = found.entry(record.route.to_string()).or_default();
            unknown.records += 1;
            // An unknown record is not written again until it is decided.
            unknown.oldest = unknown.oldest.max(page.now.since(record.updated_at));
        }
        if page.next.is_none() {
            break;
        }
        filter.after = page.next;
    }
    Ok(found)
}
