//! The metrics of the records with an unknown outcome that wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::Route;
use crate::telemetry::family::describe;

/// The records of one route with an unknown outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Number of records.
    pub records: i64,
    /// Time since the oldest of them became unknown, by the store's clock.
    pub oldest: Duration,
}

#[derive(Default)]
pub(super) struct UnknownFamilies {
    records: Family<Route, Gauge>,
    oldest: Family<Route, Gauge>,
    /// The routes with samples.
    shown: Mutex<BTreeSet<String>>,
}

impl UnknownFamilies {
    /// Sets the records of each route. A route that was shown before and is no longer in `unknown` is set to
    /// zero.
    pub(super) fn set(&self, unknown: &BTreeMap<String, Unknown>) {
        let mut shown = self.shown.lock();
        shown.extend(unknown.keys().cloned());
        for route in &*shown {
            let Unknown { records, oldest } = unknown.get(route).copied().unwrap_or_default();
            let labels = Route::named(route);
            self.records.get_or_create(&labels).set(records);
            self.oldest.get_or_create(&labels).set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn describe(&self, to: &mut Registry) {
        let help = "Records with an unknown outcome, waiting to be resolved";
        describe(to, "unknown_records", help, &self.records);
        let help = "Time since the oldest unknown record of the route became unknown";
        describe(to, "oldest_unknown_seconds", help, &self.oldest);
    }
}
