//! The task that counts the traffic of the last hour.

use tokio::time::{Instant, sleep_until};

use crate::clock::Timestamp;
use crate::stop::Stop;

use super::Metrics;
use super::traffic::INTERVAL;

/// Records an interval in each [`INTERVAL`] until the cut.
pub async fn keep_traffic(metrics: Metrics, stop: Stop) {
    let intervals = async {
        let mut next = Instant::now();
        loop {
            metrics.traffic().record(metrics.sample(), Timestamp::of_the_wall());
            next += INTERVAL;
            sleep_until(next).await;
        }
    };
    stop.unless_cut(intervals).await;
}
