//! Time as a value: [`Timestamp`] is what records carry, [`Clock`] is where it comes from.
//!
//! The protocol never asks for the time, it is told. A store owns one clock and stamps every
//! write with it, so leases and retention never depend on two machines agreeing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch on the clock of one store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment plus `duration`; saturates at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long from `earlier` to this moment; zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same moment as wall-clock time.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

/// The last moment that dates with four digits of a year can show.
const LAST_SHOWN: Timestamp = Timestamp(253_402_300_799_000);

impl Timestamp {
    /// The same moment as an HTTP date (RFC 9110, 5.6.7); what lies beyond its last year is shown as that.
    #[must_use]
    pub fn to_http_date(self) -> String {
        httpdate::fmt_http_date(self.min(LAST_SHOWN).to_system_time())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, as the admin API shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The formatter refuses years past 9999; retention that long is shown as that last year.
        write!(f, "{}", humantime::format_rfc3339_millis((*self).min(LAST_SHOWN).to_system_time()))
    }
}

/// A source of [`Timestamp`]s that never goes backwards.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// Wall-clock time at start, advanced by the monotonic clock from there on.
///
/// A step of the machine's clock (NTP, an operator, an hour of drift put right) therefore moves
/// no lease and ends no retention while the process lives.
#[derive(Debug)]
pub struct SteadyClock {
    started: Instant,
    origin: Timestamp,
}

impl SteadyClock {
    /// A clock that starts at the wall-clock time, but never before `not_before`: a store passes
    /// the newest stamp it holds, so that time does not go back over a restart either.
    #[must_use]
    pub fn starting(not_before: Timestamp) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp(0).plus(wall);
        Self { started: Instant::now(), origin: wall.max(not_before) }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.origin.plus(self.started.elapsed())
    }
}

/// A clock that moves only when told to, for tests of everything that depends on time.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_starts_before_what_the_store_has_seen() {
        let future = Timestamp(4_000_000_000_000);
        assert!(SteadyClock::starting(future).now() >= future);
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(u64::MAX).to_string(), "9999-12-31T23:59:59.000Z");
    }
}
