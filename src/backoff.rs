//! Random waits before another attempt.
//!
//! All gateways of a fleet lose their store at the same moment. If they waited for fixed times, all of them
//! would come back at the same moment too, to a server that has just started. Therefore every wait here is
//! random, between half of the time that the caller names and all of it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Waits that double from attempt to attempt, up to a longest one.
#[derive(Debug)]
pub struct Backoff {
    doubling: ExponentialBuilder,
    waits: ExponentialBackoff,
    longest: Duration,
}

impl Backoff {
    /// Waits of which the first is at most `first` and none is longer than `longest`.
    #[must_use]
    pub fn between(first: Duration, longest: Duration) -> Self {
        // The jitter of this library adds up to the same time again.
        let doubling = ExponentialBuilder::new()
            .with_min_delay(first / 2)
            .with_max_delay(longest / 2)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times();
        Self { doubling, waits: doubling.build(), longest }
    }

    /// Returns how long to wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.longest)
    }

    /// Begins again with the first wait, after an attempt that succeeded.
    pub fn reset(&mut self) {
        self.waits = self.doubling.build();
    }
}

/// Returns a wait between half of `wait` and all of it.
#[must_use]
pub fn jittered(wait: Duration) -> Duration {
    Backoff::between(wait, wait).next_wait()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::between(100 * MILLISECOND, 1000 * MILLISECOND);
        for _ in 0..3 {
            for most in [100, 200, 400, 800, 1000, 1000, 1000] {
                let wait = backoff.next_wait();
                assert!(
                    (most * MILLISECOND / 2..=most * MILLISECOND).contains(&wait),
                    "{wait:?} of {most} ms"
                );
            }
            backoff.reset();
        }
    }

    #[test]
    fn no_two_gateways_wait_equally_long() {
        let waits: BTreeSet<_> = (0..100).map(|_| jittered(100 * MILLISECOND)).collect();
        assert!(waits.len() > 90, "{} different waits", waits.len());
        assert!(waits.iter().all(|wait| (50 * MILLISECOND..=100 * MILLISECOND).contains(wait)));
        assert_eq!(jittered(Duration::ZERO), Duration::ZERO);
    }
}
