//! Tells operators when no execution may begin any more though the store answers, and when one may again.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use crate::store::{Ledger, Stopped};
use crate::telemetry::Metrics;

use crate::stop::Stop;

/// How often it is looked at. Claims are refused at once, this only tells.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Says once of each reason that it begins to hold, and once that it ends, until the cut.
pub async fn tell_stops(ledger: Ledger, metrics: Metrics, stop: Stop) {
    let looks = async {
        let mut told: Vec<Stopped> = Vec::new();
        loop {
            let holding: Vec<_> = ledger.stopped().collect();
            for reason in holding.iter().filter(|reason| !told.contains(reason)) {
                let why = ledger.why(*reason);
                warn!(reason = reason.word(), "claims are stopped, what is stored is answered: {why}");
            }
            for reason in told.iter().filter(|reason| !holding.contains(reason)) {
                info!(reason = reason.word(), "claims are no longer stopped for this reason");
            }
            metrics.set_claims_stopped(&holding);
            told = holding;
            sleep(LOOK_INTERVAL).await;
        }
    };
    stop.unless_cut(looks).await;
}
