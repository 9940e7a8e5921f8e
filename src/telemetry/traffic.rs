//! The traffic of the last hour, in intervals of ten seconds.
//!
//! A task reads the metrics once in each interval, as a scraper would, so a request pays nothing for it.
//! The number of intervals is fixed, and an interval has a fixed number of counts, except for the reasons
//! of unknown outcomes, of which there are few. The counts belong to one process and end with it.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;

mod durations;
mod sample;

pub use durations::Durations;
pub use sample::Sample;

/// Length of an interval.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Number of intervals that are kept: an hour.
pub const INTERVALS: usize = 360;

/// The counts of one interval, and the gauges at its end.
#[derive(Clone, Debug)]
pub struct Interval {
    /// End of the interval, on this machine's clock.
    pub at: Timestamp,
    /// Counts in the interval.
    pub counts: Sample,
}

/// The traffic of the last hour.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: Option<Sample>,
    intervals: VecDeque<Interval>,
}

impl Traffic {
    /// Records the interval that ends at `at`. The first call only sets the beginning.
    pub fn record(&self, now: Sample, at: Timestamp) {
        let mut held = self.0.lock();
        if let Some(last) = &held.last {
            let counts = now.since(last);
            if held.intervals.len() == INTERVALS {
                held.intervals.pop_front();
            }
            held.intervals.push_back(Interval { at, counts });
        }
        held.last = Some(now);
    }

    /// Returns the intervals, the oldest first.
    #[must_use]
    pub fn intervals(&self) -> Vec<Interval> {
        self.0.lock().intervals.iter().cloned().collect()
    }

    /// Returns the counts since the last interval, which has not ended.
    #[must_use]
    pub fn unfinished(&self, now: &Sample) -> Sample {
        self.0.lock().last.as_ref().map(|last| now.since(last)).unwrap_or_else(|| now.clone())
    }

    /// Returns the counts of the last `count` intervals together, with the unfinished one.
    #[must_use]
    pub fn sum(&self, now: &Sample, count: usize) -> Sample {
        let sum = self.unfinished(now);
        let held = self.0.lock();
        held.intervals.iter().rev().take(count).fold(sum, |sum, interval| sum.plus(&interval.counts))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Arrival, Metrics};
    use super::*;
    use crate::protocol::Reason;

    fn second(number: u64) -> Timestamp {
        Timestamp(number * 1000)
    }

    #[test]
    fn an_interval_has_what_was_counted_in_it() {
        let (metrics, traffic) = (Metrics::new(), Traffic::default());
        let ms = Duration::from_millis;
        metrics.request("pay", "completed", ms(700), None);
        traffic.record(metrics.sample(), second(0));
        metrics.request("pay", "completed", ms(90), None);
        metrics.request("refund", "replayed", ms(2), None);
        metrics.execution_ended("pay", "completed");
        metrics.upstream_call("pay", ms(80), None);
        metrics.execution_ended("pay", "outcome-unknown");
        metrics.added("pay", ms(10), None);
        metrics.added("refund", ms(10), None);
        metrics.duplicate("pay", Arrival::Late, Duration::from_hours(20));
        metrics.became_unknown("a\"b,c}", Reason::Status(503));
        metrics.became_unknown("pay", Reason::Status(503));
        metrics.settled("pay", "probe", "executed", ms(5));
        metrics.settled("pay", "operator", "executed", ms(5));
        let running = metrics.execution_started("pay");
        traffic.record(metrics.sample(), second(10));
        traffic.record(metrics.sample(), second(20));

        let intervals = traffic.intervals();
        assert_eq!(
            intervals.iter().map(|interval| interval.at).collect::<Vec<_>>(),
            [second(10), second(20)]
        );
        let counts = &intervals[0].counts;
        assert_eq!((counts.requests, counts.replays, counts.executions, counts.in_flight), (2, 1, 2, 1));
        assert_eq!(counts.unknown, BTreeMap::from([("status-503".into(), 2)]));
        assert_eq!(counts.duplicates, BTreeMap::from([("late".into(), 1)]));
        assert_eq!(counts.settled, BTreeMap::from([("operator".into(), 1), ("probe".into(), 1)]));
        assert_eq!(
            (counts.duplicate_age.count(), counts.request.count(), counts.upstream.count()),
            (1, 2, 1)
        );
        let added = counts.added.quantile(1.0).expect("executions were answered");
        assert!(counts.added.count() == 2 && (added - 0.010).abs() < 1e-9, "{added}");
        assert_eq!((intervals[1].counts.requests, intervals[1].counts.in_flight), (0, 1));
        assert_eq!(
            (intervals[1].counts.request.quantile(0.99), intervals[1].counts.added.quantile(0.99)),
            (None, None)
        );
        drop(running);
        metrics.request("pay", "replayed", ms(2), None);
        let now = metrics.sample();
        assert_eq!((traffic.unfinished(&now).replays, traffic.sum(&now, 2).replays), (1, 2));
    }

    #[test]
    fn the_traffic_kept_is_an_hour_long() {
        let traffic = Traffic::default();
        for number in 0..2 * INTERVALS as u64 {
            traffic.record(Sample::default(), second(number));
        }
        let intervals = traffic.intervals();
        assert_eq!((intervals.len(), intervals[0].at), (INTERVALS, second(INTERVALS as u64)));
    }
}
