//! The counters of one of a store's primitives.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// The counters of one primitive, found once and kept. Cheap to clone.
#[derive(Clone)]
pub(super) struct StoreCalls {
    pub(super) duration: Histogram,
    pub(super) errors: Counter,
}

impl StoreCalls {
    /// Counts a call, answered or not.
    pub(super) fn count(&self, took: Duration, failed: bool) {
        self.duration.observe(took.as_secs_f64());
        if failed {
            self.errors.inc();
        }
    }
}
