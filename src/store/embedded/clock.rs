//! The clock that stamps writes: the wall-clock time at the start, if that can be right, and the monotonic
//! clock from there on.
//!
//! While the process lives, no step of the machine's clock matters. At a start it matters: a wall clock that
//! is far ahead of the last stamp may be wrong, and by it every record would end at once. Time then goes on
//! from the last stamp, or from the time that the machine's uptime since then gives, until an operator
//! accepts the wall clock. Nothing ends meanwhile, and a start with the right time goes on as if nothing had
//! happened. While a machine is suspended, this clock stands still: every record is kept for that much
//! longer, until the next start.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use humantime::format_duration;

use crate::clock::{Clock, SteadyClock, Timestamp};
use crate::store::ClockLimits;

/// The clock of one store.
pub(super) struct StoreClock {
    clock: SteadyClock,
    stands_behind: AtomicBool,
}

impl StoreClock {
    /// Creates a clock that does not start before `newest`, the last stamp. `noted` is the least time that is
    /// possible by a note of the clock. Without `limits` the wall clock is believed.
    pub(super) fn starting(
        newest: Option<Timestamp>,
        noted: Option<Timestamp>,
        limits: Option<ClockLimits>,
    ) -> Self {
        let newest = newest.unwrap_or_default();
        let known = newest.max(noted.unwrap_or_default());
        let ahead = Timestamp::of_the_wall().since(known);
        let is_ahead =
            |limit: fn(ClockLimits) -> Duration| limits.is_some_and(|limits| ahead > limit(limits));
        let stands_behind = is_ahead(|limits| limits.retention);
        let clock =
            if stands_behind { SteadyClock::starting_at(known) } else { SteadyClock::starting(newest) };
        let span = format_duration(Duration::from_secs(ahead.as_secs()));
        if stands_behind {
            tracing::error!(
                %known,
                "the machine's clock is {span} ahead of the time that is known to have passed, by which everything it keeps would be \
                 forgotten at once: set it right and start again, or, if it is right, accept it with --accept-clock"
            );
        } else if is_ahead(|limits| limits.ttl) {
            tracing::warn!(
                %known,
                "the machine's clock is {span} ahead of the time that is known to have passed, more than the shortest ttl: if no \
                 gateway ran for that long all is well, else the clock has jumped and responses end too early"
            );
        }
        Self { clock, stands_behind: AtomicBool::new(stands_behind) }
    }

    /// Tells whether time goes on from the last stamp because the wall clock is too far ahead of it.
    pub(super) fn stands_behind(&self) -> bool {
        self.stands_behind.load(Ordering::SeqCst)
    }

    /// Uses the wall clock from now on.
    pub(super) fn accept(&self) {
        if self.stands_behind() {
            self.clock.catch_up();
            self.stands_behind.store(false, Ordering::SeqCst);
        }
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
