//! A limit on the audit lines that requests without a valid token cause.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Number of lines in one period.
const LINES: u32 = 20;
const PERIOD: Duration = Duration::from_secs(60);

/// A limit on lines per period. Lines beyond the limit are counted.
#[derive(Debug, Default)]
pub(super) struct Quota(Mutex<Period>);

#[derive(Debug, Default)]
struct Period {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Quota {
    /// Returns the number of lines left out since the last one if there is room for a line at `now`. Without
    /// room, counts the line as left out.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if period.began.is_none_or(|began| now.saturating_duration_since(began) >= PERIOD) {
            (period.began, period.written) = (Some(now), 0);
        }
        if period.written == LINES {
            period.left_out += 1;
            return None;
        }
        period.written += 1;
        Some(std::mem::take(&mut period.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_the_next_period_says_so() {
        let (quota, begin) = (Quota::default(), Instant::now());
        for _ in 0..LINES {
            assert_eq!(quota.take(begin), Some(0));
        }
        for _ in 0..3 {
            assert_eq!(quota.take(begin + PERIOD - Duration::from_millis(1)), None);
        }
        assert_eq!(quota.take(begin + PERIOD), Some(3));
        assert_eq!(quota.take(begin + PERIOD), Some(0));
    }
}
