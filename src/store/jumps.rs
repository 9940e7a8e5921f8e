//! Noticing that a server's clock jumps, by this machine's own: what a record's life is counted by must
//! not run away from real time.
//!
//! Contract:
//!
//! * Every answer of a server carries its time. It was taken somewhere between sending and receiving, so how
//!   far the server is ahead of this machine's uptime is known to lie between two bounds. An answer that is
//!   slow widens them; one that comes out of order has bounds of its own. Only where the bounds of an answer
//!   and those known before lie further apart than the limit has the clock jumped.
//! * After a jump, forwards or back, no claim is taken, and time is counted by the uptime alone, from where
//!   the clock was: nothing expires that would not have without the jump.
//! * A clock that agrees again with that count for [`CALM`] is believed again. Any other has to be accepted.
//! * A slow drift, as of a clock that is being adjusted, is followed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use humantime::format_duration;

use crate::clock::Timestamp;

/// How long a clock that jumped has to agree with the count before it is believed: nodes of a cluster have
/// clocks of their own, and only one of them may be wrong.
const CALM: Duration = Duration::from_secs(5);
/// An answer whose bounds are so much wider than those that are known does not replace them, in milliseconds.
const LITTLE: i64 = 10;

/// How far a store's clock may jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLimits {
    /// The shortest ttl of the routes: a jump by more, while a gateway runs, stops claims.
    pub ttl: Duration,
    /// The shortest ttl and tombstone together: a jump by more, since a gateway last noted the time, stops
    /// claims from the start on.
    pub retention: Duration,
}

/// This machine's uptime.
pub type Uptime = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What is known of a server's clock.
pub struct Jumps {
    limits: ClockLimits,
    uptime: Uptime,
    /// Whether the state is [`State::Jumped`].
    stopped: AtomicBool,
    /// How many acceptances the store's note told of.
    acceptances: AtomicU64,
    state: Mutex<State>,
}

/// When a question was sent and its answer received, by the uptime.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) sent: Duration,
    pub(super) received: Duration,
}

#[derive(Clone, Copy)]
enum State {
    /// It has not told the time yet.
    Unheard,
    /// It goes on as it did.
    Steady(Known),
    /// It jumped.
    Jumped {
        /// As it was before.
        before: Known,
        /// How far it may be ahead of that to be believed again.
        tolerated: Duration,
        /// By how much it was last seen to be off, in milliseconds.
        off: i64,
        /// Since when it has agreed with what was before.
        agrees_since: Option<Duration>,
    },
}

/// How far the clock is ahead of the uptime.
#[derive(Clone, Copy)]
struct Known {
    ahead: Bounds,
    /// Answers to what was asked before say nothing of it.
    since: Duration,
}

/// In milliseconds.
#[derive(Clone, Copy)]
struct Bounds {
    least: i64,
    most: i64,
}

impl Jumps {
    /// Nothing known yet.
    pub(super) fn new(limits: ClockLimits, uptime: Uptime) -> Self {
        Self {
            limits,
            uptime,
            stopped: AtomicBool::new(false),
            acceptances: AtomicU64::new(0),
            state: Mutex::new(State::Unheard),
        }
    }

    /// The limits that it was made with.
    pub(super) fn limits(&self) -> ClockLimits {
        self.limits
    }

    /// The uptime now.
    pub(super) fn uptime(&self) -> Duration {
        (self.uptime)()
    }

    /// Whether no claim may be taken.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// How many acceptances the store's note told of, as last read.
    pub(super) fn acceptances(&self) -> u64 {
        self.acceptances.load(Ordering::SeqCst)
    }

    /// Takes note of how many acceptances there are.
    pub(super) fn knows_acceptances(&self, count: u64) {
        self.acceptances.store(count, Ordering::SeqCst);
    }

    /// The time to go by, where the server says `now`.
    pub(super) fn judge(&self, now: Timestamp, flight: Flight) -> Timestamp {
        let mut state = self.lock();
        let (next, judged) = state.after(now, flight, self.limits.ttl);
        *state = next;
        self.stopped.store(matches!(next, State::Jumped { .. }), Ordering::SeqCst);
        judged
    }

    /// The clock was at `seen` when somebody last noted it, and is so far ahead of that now that time is
    /// counted on from there.
    pub(super) fn go_on_from(&self, seen: Timestamp, now: Timestamp, flight: Flight) {
        let ahead = Bounds::of(seen, flight);
        let mut state = self.lock();
        *state = State::Jumped {
            before: Known { ahead, since: flight.received },
            tolerated: self.limits.retention,
            off: Bounds::of(now, flight).least - ahead.most,
            agrees_since: None,
        };
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// The clock is right as it is.
    pub(super) fn accept(&self, now: Timestamp, flight: Flight) {
        let mut state = self.lock();
        *state = State::Steady(Known { ahead: Bounds::of(now, flight), since: self.uptime() });
        self.stopped.store(false, Ordering::SeqCst);
    }

    /// What to say of a jump; `None` where there is none.
    pub(super) fn words(&self) -> Option<String> {
        let State::Jumped { off, .. } = *self.lock() else { return None };
        let span = format_duration(Duration::from_secs(off.unsigned_abs().div_ceil(1000)));
        let side = if off < 0 { "behind" } else { "ahead of" };
        Some(format!(
            "the store's clock is {span} {side} what a gateway last knew of it: set it right, or, if it is right, accept \
             it with `POST /v1/accept-clock` on the admin listener or at a start with --accept-clock"
        ))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Only whole values are assigned under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The state after an answer, and the time to go by.
    fn after(self, now: Timestamp, flight: Flight, limit: Duration) -> (Self, Timestamp) {
        let ahead = Bounds::of(now, flight);
        match self {
            Self::Unheard => (Self::Steady(Known { ahead, since: flight.received }), now),
            Self::Steady(known) if flight.sent < known.since => (self, known.ahead.at(flight.received)),
            Self::Steady(known) => match known.ahead.jump_to(ahead, limit, limit) {
                None => (Self::Steady(known.refined_by(ahead)), now),
                Some(off) => {
                    let jumped = Self::Jumped { before: known, tolerated: limit, off, agrees_since: None };
                    (jumped, known.ahead.at(flight.received))
                }
            },
            Self::Jumped { before, tolerated, off, agrees_since } => {
                if let Some(off) = before.ahead.jump_to(ahead, tolerated, limit) {
                    let jumped = Self::Jumped { before, tolerated, off, agrees_since: None };
                    return (jumped, before.ahead.at(flight.received));
                }
                let since = agrees_since.unwrap_or(flight.received);
                if flight.received.saturating_sub(since) >= CALM {
                    return (Self::Steady(Known { ahead, since: flight.received }), now);
                }
                (Self::Jumped { before, tolerated, off, agrees_since: Some(since) }, now)
            }
        }
    }
}

impl Known {
    fn refined_by(self, ahead: Bounds) -> Self {
        if ahead.width() <= self.ahead.width() + LITTLE { Self { ahead, ..self } } else { self }
    }
}

impl Bounds {
    fn of(now: Timestamp, flight: Flight) -> Self {
        let (now, millis) = (i64::try_from(now.0).unwrap_or(i64::MAX), millis);
        Self { least: now - millis(flight.received), most: now - millis(flight.sent) }
    }

    fn width(self) -> i64 {
        self.most - self.least
    }

    /// The time at `uptime`, no later than it can be.
    fn at(self, uptime: Duration) -> Timestamp {
        Timestamp(u64::try_from(self.least + millis(uptime)).unwrap_or_default())
    }

    /// The offset of `other`, if it is more than `forwards` ahead or more than `back` behind.
    fn jump_to(self, other: Self, forwards: Duration, back: Duration) -> Option<i64> {
        let (ahead, behind) = (other.least - self.most, self.least - other.most);
        match () {
            () if ahead > millis(forwards) => Some(ahead),
            () if behind > millis(back) => Some(-behind),
            () => None,
        }
    }
}

fn millis(span: Duration) -> i64 {
    // Half of what there is, so that sums of two stay in bounds.
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: u64 = 60_000;
    const FAR: i64 = 2 * TTL as i64;
    const START: u64 = 1_800_000_000_000;

    fn jumps() -> Jumps {
        let limits =
            ClockLimits { ttl: Duration::from_millis(TTL), retention: Duration::from_millis(10 * TTL) };
        Jumps::new(limits, Arc::new(|| Duration::ZERO))
    }

    fn flight(sent: u64, received: u64) -> Flight {
        Flight { sent: Duration::from_millis(sent), received: Duration::from_millis(received) }
    }

    /// The server's clock is `shift` off when it answers at `at`.
    fn told(jumps: &Jumps, shift: i64, sent: u64, at: u64, received: u64) -> i64 {
        let now = Timestamp((START + at).saturating_add_signed(shift));
        jumps.judge(now, flight(sent, received)).0.cast_signed() - START.cast_signed()
    }

    #[test]
    fn answers_that_are_slow_or_out_of_order_are_no_jump() {
        let jumps = jumps();
        assert_eq!(told(&jumps, 0, 1_000, 1_001, 1_002), 1_001);
        // Answered at once and received long after; received late; older than the one before.
        for (sent, at, received) in [
            (2_000, 2_000, 200_000),
            (2_000, 199_000, 200_000),
            (1_003, 1_004, 300_000),
            (300_000, 300_001, 300_002),
        ] {
            assert_eq!(told(&jumps, 0, sent, at, received), at.cast_signed());
        }
        assert!(!jumps.is_stopped());
        assert_eq!(jumps.words(), None);
    }

    #[test]
    fn a_jump_beyond_the_limit_stops_and_time_is_counted_on() {
        for (shift, side) in [(FAR, "2m ahead of"), (-FAR, "2m behind")] {
            let jumps = jumps();
            told(&jumps, 0, 0, 0, 0);
            assert_eq!(told(&jumps, shift / 3, 10, 10, 10), 10 + shift / 3);
            told(&jumps, 0, 20, 20, 20);
            assert!(!jumps.is_stopped());
            assert_eq!(told(&jumps, shift, 100, 100, 100), 100);
            assert!(jumps.is_stopped());
            assert_eq!(told(&jumps, shift, 7 * TTL, 7 * TTL, 7 * TTL), 7 * TTL as i64);
            let words = jumps.words().expect("it jumped");
            assert!(words.contains(side), "{words}");
        }
    }

    #[test]
    fn a_clock_that_was_set_right_is_believed_after_a_while() {
        let jumps = jumps();
        told(&jumps, 0, 0, 0, 0);
        told(&jumps, 5 * TTL as i64, 100, 100, 100);
        told(&jumps, 0, 3_000, 3_000, 3_000);
        // One node of a cluster is still wrong.
        told(&jumps, 5 * TTL as i64, 7_000, 7_000, 7_000);
        told(&jumps, 0, 8_000, 8_000, 8_000);
        told(&jumps, 0, 12_999, 12_999, 12_999);
        assert!(jumps.is_stopped());
        told(&jumps, 0, 13_000, 13_000, 13_000);
        assert!(!jumps.is_stopped());
    }

    #[test]
    fn an_accepted_clock_is_gone_by_and_what_was_asked_before_does_not_count() {
        let jumps = jumps();
        told(&jumps, 0, 0, 0, 0);
        let shift = 5 * TTL as i64;
        told(&jumps, shift, 100, 100, 100);
        jumps.accept(Timestamp(START + 200 + shift as u64), flight(200, 200));
        assert!(!jumps.is_stopped());
        assert_eq!(told(&jumps, shift, 300, 300, 300), 300 + shift);
        assert!(!jumps.is_stopped());
    }

    #[test]
    fn a_start_goes_on_from_what_was_noted_until_the_clock_is_back_within_what_is_kept() {
        let jumps = jumps();
        let now = Timestamp(START + 30 * TTL);
        jumps.judge(now, flight(0, 0));
        jumps.go_on_from(Timestamp(START), now, flight(0, 0));
        assert_eq!(told(&jumps, 30 * TTL as i64, 500, 500, 500), 500);
        assert!(jumps.is_stopped());
        // The gateway may have been away for that long.
        told(&jumps, 9 * TTL as i64, 1_000, 1_000, 1_000);
        told(&jumps, 9 * TTL as i64, 6_000, 6_000, 6_000);
        assert!(!jumps.is_stopped());
    }

    #[test]
    fn a_drift_is_followed() {
        let jumps = jumps();
        for step in 0..10_000_i64 {
            let at = step as u64 * 60_000;
            told(&jumps, step * 30, at, at, at);
        }
        assert!(!jumps.is_stopped());
    }
}
