//! The times of calls to upstreams that ended in an answer to the client.
//!
//! The histogram of upstream calls has lost calls, too, whose clients got no such answer. To say what the
//! gateway adds to a request, both must be times of the same requests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Number and sum of the times.
#[derive(Debug, Default)]
pub struct Calls {
    count: AtomicU64,
    micros: AtomicU64,
}

/// Number and sum of times, as they were at one moment or in one interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallTimes {
    /// Number of the calls.
    pub count: u64,
    /// Sum of the times in microseconds.
    pub micros: u64,
}

impl Calls {
    /// Outcomes of executions and of requests that are answered with the upstream's own answer.
    pub const ANSWERED: [&'static str; 2] = ["completed", "released"];

    /// Counts a call.
    pub fn count(&self, took: Duration) {
        self.count.fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns the present counts.
    #[must_use]
    pub fn now(&self) -> CallTimes {
        CallTimes { count: self.count.load(Relaxed), micros: self.micros.load(Relaxed) }
    }
}

impl CallTimes {
    /// Returns the counts since an earlier moment.
    pub(super) fn since(self, earlier: Self) -> Self {
        let (count, micros) =
            (self.count.saturating_sub(earlier.count), self.micros.saturating_sub(earlier.micros));
        Self { count, micros }
    }

    /// Returns the counts of two intervals together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, micros: self.micros + other.micros }
    }

    /// Returns the mean in seconds, if there was a call.
    #[must_use]
    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.micros as f64 / 1e6 / self.count as f64)
    }
}
