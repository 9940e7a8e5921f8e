//! Detection of jumps of a server's clock, by this machine's own clock. The time by which a record's life is
//! counted must not run away from real time.
//!
//! Contract:
//!
//! * Every answer of a server carries its time. The server took it at some moment between sending and
//!   receiving, so its lead over this machine's uptime is known to lie between two bounds. A slow answer
//!   widens the bounds. An answer that comes out of order has bounds of its own. The clock has jumped only if
//!   the bounds of an answer and the bounds known before lie further apart than the limit.
//! * After a jump, forwards or back, no claim is taken. Time is then counted by the uptime alone, from where
//!   the clock was: nothing expires that would not have expired without the jump.
//! * A clock that agrees again with that count for [`CALM`] is believed again. An operator has to accept any
//!   other clock.
//! * A slow drift, as of a clock that is being adjusted, is followed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use humantime::format_duration;
use parking_lot::Mutex;

use crate::clock::Timestamp;

/// Time for which a clock that jumped has to agree with the count before it is believed. Nodes of a cluster
/// have clocks of their own, and only one of them may be wrong.
const CALM: Duration = Duration::from_secs(5);
/// Largest amount by which the bounds of an answer may be wider than the known bounds and still replace them,
/// in milliseconds.
const LITTLE: i64 = 10;

/// The limits for jumps of a store's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLimits {
    /// The shortest ttl of the routes. A larger jump while a gateway runs stops claims.
    pub ttl: Duration,
    /// The shortest sum of ttl and tombstone. A larger jump since a gateway last noted the time stops claims
    /// from the start on.
    pub retention: Duration,
}

/// A source of this machine's uptime.
pub type Uptime = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The state of a server's clock, as far as it is known.
pub struct Jumps {
    limits: Mutex<ClockLimits>,
    uptime: Uptime,
    /// True if the state is [`State::Jumped`].
    stopped: AtomicBool,
    /// Number of acceptances in the store's note, as last read.
    acceptances: AtomicU64,
    // Only whole values are assigned under the lock.
    state: Mutex<State>,
}

/// The moments at which a request was sent and its answer received, by the uptime.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrip {
    pub(super) sent: Duration,
    pub(super) received: Duration,
}

#[derive(Clone, Copy)]
enum State {
    /// The clock has not been heard yet.
    Unheard,
    /// The clock goes on as before.
    Steady(ClockLead),
    /// The clock jumped.
    Jumped {
        /// The clock before the jump.
        before: ClockLead,
        /// Largest lead over `before` with which the clock is believed again.
        tolerated: Duration,
        /// Offset at which the clock was last seen to be off, in milliseconds.
        off: i64,
        /// Uptime since which the clock has agreed with `before`.
        agrees_since: Option<Duration>,
    },
}

/// The lead of the clock over the uptime.
#[derive(Clone, Copy)]
struct ClockLead {
    ahead: Bounds,
    /// Uptime from which on requests count: an answer to an earlier request says nothing about the clock.
    since: Duration,
}

/// The bounds of a lead, in milliseconds.
#[derive(Clone, Copy)]
struct Bounds {
    least: i64,
    most: i64,
}

impl Jumps {
    /// Creates the state of a clock that has not been heard yet.
    pub(super) fn new(limits: ClockLimits, uptime: Uptime) -> Self {
        Self {
            limits: Mutex::new(limits),
            uptime,
            stopped: AtomicBool::new(false),
            acceptances: AtomicU64::new(0),
            state: Mutex::new(State::Unheard),
        }
    }

    /// Returns the limits: the lowest until now.
    pub(super) fn limits(&self) -> ClockLimits {
        *self.limits.lock()
    }

    /// Lowers the limits to these, where they are lower. Records that were made under lower limits may be
    /// there for long, so the limits never rise again.
    pub(super) fn lower_limits(&self, ClockLimits { ttl, retention }: ClockLimits) {
        let mut limits = self.limits.lock();
        *limits = ClockLimits { ttl: limits.ttl.min(ttl), retention: limits.retention.min(retention) };
    }

    /// Returns the uptime now.
    pub(super) fn uptime(&self) -> Duration {
        (self.uptime)()
    }

    /// Tells whether claims are stopped because of the clock.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Returns the number of acceptances in the store's note, as last read.
    pub(super) fn acceptances(&self) -> u64 {
        self.acceptances.load(Ordering::SeqCst)
    }

    /// Notes the number of acceptances in the store's note.
    pub(super) fn knows_acceptances(&self, count: u64) {
        self.acceptances.store(count, Ordering::SeqCst);
    }

    /// Returns the time to use when the server says `now`.
    pub(super) fn judge(&self, now: Timestamp, round_trip: RoundTrip) -> Timestamp {
        let limits = self.limits();
        let mut state = self.state.lock();
        let (next, judged) = state.after(now, round_trip, limits.ttl);
        *state = next;
        self.stopped.store(matches!(next, State::Jumped { .. }), Ordering::SeqCst);
        judged
    }

    /// Stops claims and counts time on from `seen`. The clock was at `seen` when it was last noted, and is
    /// too far ahead of that now.
    pub(super) fn go_on_from(&self, seen: Timestamp, now: Timestamp, round_trip: RoundTrip) {
        let (ahead, limits) = (Bounds::of(seen, round_trip), self.limits());
        let mut state = self.state.lock();
        *state = State::Jumped {
            before: ClockLead { ahead, since: round_trip.received },
            tolerated: limits.retention,
            off: Bounds::of(now, round_trip).least - ahead.most,
            agrees_since: None,
        };
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Accepts the clock as it is.
    pub(super) fn accept(&self, now: Timestamp, round_trip: RoundTrip) {
        let mut state = self.state.lock();
        *state = State::Steady(ClockLead { ahead: Bounds::of(now, round_trip), since: self.uptime() });
        self.stopped.store(false, Ordering::SeqCst);
    }

    /// Returns the message about a jump; `None` if there was none.
    pub(super) fn message(&self) -> Option<String> {
        let State::Jumped { off, .. } = *self.state.lock() else { return None };
        let span = format_duration(Duration::from_secs(off.unsigned_abs().div_ceil(1000)));
        let side = if off < 0 { "behind" } else { "ahead of" };
        Some(format!(
            "the store's clock is {span} {side} what a gateway last knew of it: set it right, or, if it is right, accept \
             it with `POST /v1/accept-clock` on the admin listener or at a start with --accept-clock"
        ))
    }
}

impl State {
    /// Returns the state after an answer, and the time to use.
    fn after(self, now: Timestamp, round_trip: RoundTrip, limit: Duration) -> (Self, Timestamp) {
        let ahead = Bounds::of(now, round_trip);
        match self {
            Self::Unheard => (Self::Steady(ClockLead { ahead, since: round_trip.received }), now),
            Self::Steady(known) if round_trip.sent < known.since => {
                (self, known.ahead.at(round_trip.received))
            }
            Self::Steady(known) => match known.ahead.jump_to(ahead, limit, limit) {
                None => (Self::Steady(known.refined_by(ahead)), now),
                Some(off) => {
                    let jumped = Self::Jumped { before: known, tolerated: limit, off, agrees_since: None };
                    (jumped, known.ahead.at(round_trip.received))
                }
            },
            Self::Jumped { before, tolerated, off, agrees_since } => {
                if let Some(off) = before.ahead.jump_to(ahead, tolerated, limit) {
                    let jumped = Self::Jumped { before, tolerated, off, agrees_since: None };
                    return (jumped, before.ahead.at(round_trip.received));
                }
                let since = agrees_since.unwrap_or(round_trip.received);
                if round_trip.received.saturating_sub(since) >= CALM {
                    return (Self::Steady(ClockLead { ahead, since: round_trip.received }), now);
                }
                (Self::Jumped { before, tolerated, off, agrees_since: Some(since) }, now)
            }
        }
    }
}

impl ClockLead {
    fn refined_by(self, ahead: Bounds) -> Self {
        if ahead.width() <= self.ahead.width() + LITTLE { Self { ahead, ..self } } else { self }
    }
}

impl Bounds {
    fn of(now: Timestamp, round_trip: RoundTrip) -> Self {
        let (now, millis) = (i64::try_from(now.0).unwrap_or(i64::MAX), millis);
        Self { least: now - millis(round_trip.received), most: now - millis(round_trip.sent) }
    }

    fn width(self) -> i64 {
        self.most - self.least
    }

    /// Returns the time at `uptime`, no later than it can be.
    fn at(self, uptime: Duration) -> Timestamp {
        Timestamp(u64::try_from(self.least + millis(uptime)).unwrap_or_default())
    }

    /// Returns the offset of `other` if it is more than `forwards` ahead or more than `back` behind.
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
    // A quarter of the range at most, so that sums of two stay in bounds.
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

    fn round_trip(sent: u64, received: u64) -> RoundTrip {
        RoundTrip { sent: Duration::from_millis(sent), received: Duration::from_millis(received) }
    }

    /// Judges an answer of a server with a clock that is `shift` off when it answers at `at`.
    fn told(jumps: &Jumps, shift: i64, sent: u64, at: u64, received: u64) -> i64 {
        let now = Timestamp((START + at).saturating_add_signed(shift));
        jumps.judge(now, round_trip(sent, received)).0.cast_signed() - START.cast_signed()
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
        assert_eq!(jumps.message(), None);
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
            let message = jumps.message().expect("it jumped");
            assert!(message.contains(side), "{message}");
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
        jumps.accept(Timestamp(START + 200 + shift as u64), round_trip(200, 200));
        assert!(!jumps.is_stopped());
        assert_eq!(told(&jumps, shift, 300, 300, 300), 300 + shift);
        assert!(!jumps.is_stopped());
    }

    #[test]
    fn a_start_goes_on_from_what_was_noted_until_the_clock_is_back_within_what_is_kept() {
        let jumps = jumps();
        let now = Timestamp(START + 30 * TTL);
        jumps.judge(now, round_trip(0, 0));
        jumps.go_on_from(Timestamp(START), now, round_trip(0, 0));
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
