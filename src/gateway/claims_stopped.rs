//! Reports in log and metrics: when no execution may begin although the store answers, and when executions
//! may begin again.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use crate::stop::Stop;
use crate::store::{Ledger, Stopped};
use crate::telemetry::Metrics;

/// Time between two checks. Claims are refused at once; the checks only serve the log and the metrics.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Logs once when each reason begins to hold and once when it ends, until the cut.
pub async fn report_stopped_claims(ledger: Ledger, metrics: Metrics, stop: Stop) {
    let checks = async {
        let mut reported: Vec<Stopped> = Vec::new();
        loop {
            let holding: Vec<_> = ledger.stopped().collect();
            for reason in holding.iter().filter(|reason| !reported.contains(reason)) {
                let why = ledger.why(*reason);
                warn!(reason = reason.word(), "claims are stopped, stored outcomes are replayed: {why}");
            }
            for reason in reported.iter().filter(|reason| !holding.contains(reason)) {
                info!(reason = reason.word(), "claims are no longer stopped for this reason");
            }
            metrics.set_claims_stopped(&holding);
            reported = holding;
            sleep(CHECK_INTERVAL).await;
        }
    };
    stop.unless_cut(checks).await;
}
