//! The sweeper: writes down what time has done, so that an execution whose owner died shows as
//! unknown also when nobody asks for it again, and what is no longer kept takes no room.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::store::{Filter, Ledger, StoreError};
use crate::telemetry::Metrics;

use super::Stop;

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
                    Ok(counts) => metrics.set_unknown_records(&counts),
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
                if swept.lapsed > 0 {
                    warn!(
                        count = swept.lapsed,
                        "executions fell silent past their lease; their outcome is unknown"
                    );
                }
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

async fn count_unknown(ledger: &Ledger) -> Result<BTreeMap<String, i64>, StoreError> {
    let (limit, pages) = COUNT_PAGES;
    let mut counts = BTreeMap::new();
    let mut filter = Filter { state: Some("unknown"), ..Filter::default() };
    for _ in 0..pages {
        let page = ledger.page(filter.clone(), limit).await?;
        for (_, record) in &page.records {
            *counts.entry(record.route.to_string()).or_insert(0) += 1;
        }
        if page.next.is_none() {
            break;
        }
        filter.after = page.next;
    }
    Ok(counts)
}
