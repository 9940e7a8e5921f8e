//! Families of metrics that are shown from the start.
//!
//! A rule on a counter that does not exist yet cannot be tested, so every family shows its description before
//! its first sample. The library leaves empty families out.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::exemplar::TracedHistogram;

/// A family with one histogram for each set of labels.
pub(super) type Histograms<S> = Family<S, Histogram, fn() -> Histogram>;

/// A family with one histogram with exemplars for each set of labels.
pub(super) type TracedHistograms<S> = Family<S, TracedHistogram, fn() -> TracedHistogram>;

/// Bounds of the buckets for durations of calls and requests, from half a millisecond to a minute, in
/// seconds.
const CALL_SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Registers `family` so that it is described even while it has no samples. The encoder adds a counter's
/// `_total`, and the registry ends `help` with a full stop.
pub(super) fn describe<M>(registry: &mut Registry, name: &str, help: &str, family: &M)
where
    M: EncodeMetric + Clone + fmt::Debug + Send + Sync + 'static,
{
    registry.register(name, help, Described(family.clone()));
}

/// Returns a histogram for durations of calls.
pub(super) fn call_seconds() -> Histogram {
    Histogram::new(CALL_SECONDS)
}

/// Returns a histogram for durations of calls and requests that may belong to traces.
pub(super) fn traced_call_seconds() -> TracedHistogram {
    TracedHistogram::new(CALL_SECONDS.into_iter())
}

/// Returns a histogram for the time that the gateway adds, from a tenth of a millisecond to ten seconds.
pub(super) fn added_seconds() -> TracedHistogram {
    let bounds = [
        0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 10.0,
    ];
    TracedHistogram::new(bounds.into_iter())
}

/// Returns a histogram for the age of duplicates, from a second to thirty days, with the usual retry horizons
/// in between.
pub(super) fn age_seconds() -> Histogram {
    const HOUR: f64 = 3600.0;
    const DAY: f64 = 24.0 * HOUR;
    Histogram::new([
        1.0,
        5.0,
        15.0,
        60.0,
        300.0,
        900.0,
        HOUR,
        6.0 * HOUR,
        12.0 * HOUR,
        DAY,
        2.0 * DAY,
        7.0 * DAY,
        14.0 * DAY,
        30.0 * DAY,
    ])
}

/// A metric that never reports that it is empty.
#[derive(Debug)]
struct Described<M>(M);

impl<M: EncodeMetric> EncodeMetric for Described<M> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}
