//! Time as a value: records carry a [`Timestamp`], and a [`Clock`] is its source.
//!
//! The protocol never reads the time. The time is passed to it. A store owns one clock and stamps every
//! write with it, so that leases and retention never depend on two machines agreeing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch on the clock of one store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns this moment plus `duration`. Saturates at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns the machine's wall-clock time.
    #[must_use]
    pub fn of_the_wall() -> Self {
        Self::of_system(SystemTime::now())
    }

    /// Returns a wall-clock time as a timestamp. A time before 1970 becomes the beginning of 1970.
    #[must_use]
    pub fn of_system(time: SystemTime) -> Self {
        Self(0).plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Returns the time from `earlier` to this moment, or zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns this moment as wall-clock time.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

impl Timestamp {
    /// Parses a moment in RFC 3339, in UTC, as [`Timestamp`] is displayed. Returns `None` for any other text,
    /// and for moments before 1970.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = humantime::parse_rfc3339(text).ok()?;
        Some(Self(0).plus(time.duration_since(UNIX_EPOCH).ok()?))
    }
}

/// The last moment that a date with a year of four digits can show.
const LAST_SHOWN: Timestamp = Timestamp(253_402_300_799_000);

impl Timestamp {
    /// Returns this moment as an HTTP date (RFC 9110, 5.6.7). A moment after the last such date is shown
    /// as that date.
    #[must_use]
    pub fn to_http_date(self) -> String {
        httpdate::fmt_http_date(self.min(LAST_SHOWN).to_system_time())
    }
}

impl fmt::Display for Timestamp {
    /// Writes this moment in RFC 3339, in UTC with milliseconds, as the admin API shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The formatter refuses years past 9999. A later moment is shown as the end of that year.
        write!(f, "{}", humantime::format_rfc3339_millis((*self).min(LAST_SHOWN).to_system_time()))
    }
}

/// Returns the time since the machine was booted, including the time that it was suspended. [`Instant`]
/// stands still while the machine is suspended. No step of the wall-clock time changes the result.
#[must_use]
pub fn uptime() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// Returns the name of the boot that [`uptime`] counts from, which no other boot of any machine has.
/// Returns `None` if the system does not tell it.
#[must_use]
pub fn boot() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A source of [`Timestamp`]s that never goes backwards.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// A clock that starts at the wall-clock time, and is advanced by the monotonic clock from there on.
///
/// Therefore a step of the machine's clock (NTP, an operator, an hour of drift put right) moves no lease
/// and ends no retention while the process lives.
#[derive(Debug)]
pub struct SteadyClock {
    started: Instant,
    /// The time at `started`, in milliseconds. It never goes down.
    origin: AtomicU64,
}

impl SteadyClock {
    /// Returns a clock that starts at the wall-clock time, but never before `not_before`. A store passes
    /// the newest stamp that it holds, so that time does not go back over a restart either.
    #[must_use]
    pub fn starting(not_before: Timestamp) -> Self {
        Self::starting_at(Timestamp::of_the_wall().max(not_before))
    }

    /// Returns a clock that goes on from `moment`, independent of the wall-clock time.
    #[must_use]
    pub fn starting_at(moment: Timestamp) -> Self {
        Self { started: Instant::now(), origin: AtomicU64::new(moment.0) }
    }

    /// Moves the clock to the wall-clock time, if that is ahead.
    pub fn catch_up(&self) {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.origin.fetch_max(Timestamp::of_the_wall().0.saturating_sub(passed), Ordering::SeqCst);
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.origin.load(Ordering::SeqCst)).plus(self.started.elapsed())
    }
}

/// A clock that moves only when told to, for tests of code that depends on time.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Returns a clock that stands at `now`.
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
    fn a_clock_that_stood_still_catches_up_and_never_goes_back() {
        let past = SteadyClock::starting_at(Timestamp(1_000_000));
        assert!(past.now() < Timestamp(2_000_000));
        past.catch_up();
        assert!(Timestamp::of_the_wall().since(past.now()) < Duration::from_secs(60));
        let future = SteadyClock::starting_at(Timestamp(4_000_000_000_000));
        future.catch_up();
        assert!(future.now() >= Timestamp(4_000_000_000_000));
    }

    #[test]
    fn uptime_advances() {
        let before = uptime();
        std::thread::sleep(Duration::from_millis(2));
        assert!(uptime() >= before + Duration::from_millis(2));
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(u64::MAX).to_string(), "9999-12-31T23:59:59.000Z");
    }
}
