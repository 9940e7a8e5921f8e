//! How long no record can become due, so that a sweep need not look.
//!
//! A look at the store finds each record that was stored before the look, and so the earliest deadline. A
//! record that is written later passes its deadline one span of its policy after that write: the lease of a
//! running execution, or else a time of retention. A write may have begun before the look and be seen only
//! after it, by at most the time that the ledger waits for an answer. No deadline can pass, therefore, before
//! the earliest of
//! * the deadline that the look found, and
//! * the shortest span less that wait, counted from the beginning of the look.
//!
//! The shortest span is that of the routes of this gateway and of all records that it wrote itself, ever
//! since its start. The gateways of a fleet have the same routes, except while an operator changes them. A
//! gateway with shorter spans looks by them as long as it lives. [`LONGEST`] bounds how much later the others
//! notice an execution of such a gateway after its death.
//!
//! Both times are counted by this machine's monotonic clock. If the store's clock jumps ahead, records are
//! due earlier than that. They are still found as soon after their last write as with a clock that does not
//! jump.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Longest time without a look. It also bounds the time until a jump of the server's clock is noticed.
const LONGEST: Duration = Duration::from_secs(5);

/// The shortest span from a write to the deadline of the written record, as far as this process knows.
pub(super) struct ShortestSpan {
    of_routes: Box<dyn Fn() -> Duration + Send + Sync>,
    /// The shortest span of all until now, in milliseconds.
    least: AtomicU64,
}

impl ShortestSpan {
    /// Creates the span for a process with routes of which `of_routes` tells the shortest span.
    pub(super) fn new(of_routes: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { of_routes: Box::new(of_routes), least: AtomicU64::new(u64::MAX) }
    }

    /// Notes the span of a record that is about to be written.
    pub(super) fn note(&self, span: Duration) {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        // Mostly nothing changes, and a load is cheaper.
        if span < self.least.load(Relaxed) {
            self.least.fetch_min(span, Relaxed);
        }
    }

    /// Returns how long after the beginning of a look no later write can be due, if each write is seen within
    /// `wait`.
    pub(super) fn quiet_for(&self, wait: Duration) -> Duration {
        self.note((self.of_routes)());
        Duration::from_millis(self.least.load(Relaxed)).saturating_sub(wait).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_shortest_span_is_never_forgotten() {
        let span = ShortestSpan::new(|| 4 * SECOND);
        assert_eq!(span.quiet_for(SECOND), 3 * SECOND);
        span.note(2 * SECOND);
        span.note(3 * SECOND);
        assert_eq!(span.quiet_for(SECOND), SECOND);
        assert_eq!(span.quiet_for(2 * SECOND), Duration::ZERO);
    }

    #[test]
    fn no_pause_is_longer_than_five_seconds() {
        assert_eq!(ShortestSpan::new(|| 3600 * SECOND).quiet_for(SECOND), 5 * SECOND);
        assert_eq!(ShortestSpan::new(|| Duration::MAX).quiet_for(SECOND), 5 * SECOND);
    }
}
