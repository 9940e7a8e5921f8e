//! The sweeper: writes down what time has done, so that an execution whose owner died shows as
//! unknown also when nobody asks for it again, and what is no longer kept takes no room.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::protocol::{Reason, Record, RecordId};
use crate::store::{Filter, Ledger, StoreError};
use crate::telemetry::{Metrics, Unknown};

use crate::stop::Stop;

/// How long nothing is swept after everything due was.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// How often unknown records are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// How many records one page of that count has, and how many pages are looked at.
const COUNT_PAGES: (usize, usize) = (1000, 100);

/// Sweeps until the cut. Small batches with everybody else's writes in between; an error of the
/// store is logged and the next round goes on.
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
