//! A limit on log lines that any client can cause.
//!
//! A line for each event would let one client fill a disk and hide important lines. The first few in a period
//! are written and the others are counted. The next line that is written says how many were suppressed.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A limit on the number of lines of one kind in a period.
#[derive(Debug)]
pub struct Limited {
    most: u32,
    period: Duration,
    current: Mutex<CurrentPeriod>,
}

/// The lines of the current period.
#[derive(Debug, Default)]
struct CurrentPeriod {
    since: Option<Instant>,
    written: u32,
    held_back: u64,
}

impl Limited {
    /// Creates a limit of `most` lines in each `period`.
    #[must_use]
    pub const fn new(most: u32, period: Duration) -> Self {
        Self { most, period, current: Mutex::new(CurrentPeriod { since: None, written: 0, held_back: 0 }) }
    }

    /// Requests one line. `Some` allows it, with the number of lines suppressed since the last one allowed.
    /// `None` suppresses it.
    pub fn ask(&self) -> Option<u64> {
        self.ask_at(Instant::now())
    }

    fn ask_at(&self, now: Instant) -> Option<u64> {
        let mut current = self.current.lock();
        if current.since.is_none_or(|since| now.saturating_duration_since(since) >= self.period) {
            (current.since, current.written) = (Some(now), 0);
        }
        if current.written >= self.most {
            current.held_back += 1;
            return None;
        }
        current.written += 1;
        Some(std::mem::take(&mut current.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_a_limit_and_the_next_line_counts_the_rest() {
        let limited = Limited::new(2, Duration::from_secs(10));
        let begin = Instant::now();
        let asked: Vec<_> = (0..5).map(|at| limited.ask_at(begin + Duration::from_secs(at))).collect();
        assert_eq!(asked, [Some(0), Some(0), None, None, None]);
        assert_eq!(limited.ask_at(begin + Duration::from_secs(10)), Some(3));
        assert_eq!(limited.ask_at(begin + Duration::from_secs(11)), Some(0));
        assert_eq!(limited.ask_at(begin + Duration::from_secs(12)), None);
        assert_eq!(limited.ask_at(begin + Duration::from_secs(3600)), Some(1));
    }
}
