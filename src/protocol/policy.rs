//! The part of a route's configuration that decides over a record's life, kept in the record
//! itself: a gateway that is configured otherwise must not undo what was promised when the
//! operation was first seen.

use std::time::Duration;

/// What an attempt may do about an execution whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnUnknown {
    /// Nothing: an operator, a late completion or time settles it. At most one execution.
    Hold,
    /// Run the operation again. More than one effect is possible.
    Retry,
    /// Ask the upstream what happened before anything runs again.
    Probe,
    /// Fence the execution in the upstream's own transaction before the next one runs.
    Marker,
}

/// How long things last for one operation, and what its unknown outcome allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What may be done about an unknown outcome.
    pub on_unknown: OnUnknown,
    /// How long a silent owner is believed alive.
    pub lease: Duration,
    /// The longest that one execution's call can last, connecting included.
    pub response_timeout: Duration,
    /// How long a response is replayed, counted from the terminal transition.
    pub ttl: Duration,
    /// How long the key is remembered after that. Zero drops what is known at once; what is
    /// unknown is then kept for [`Policy::UNKNOWN_TOMBSTONE`].
    pub tombstone_ttl: Duration,
}

impl Policy {
    /// How long an unknown outcome is remembered where the route asks for no tombstone: forgetting
    /// it would let a very late retry run a payment of which nobody knows whether it happened.
    pub const UNKNOWN_TOMBSTONE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// How long a record can live from its first claim, while gateways sweep: the call and its lease, an
    /// unknown outcome that is decided at the very end of its ttl, the ttl of that decision, and a tombstone.
    #[must_use]
    pub fn longest_life(&self) -> Duration {
        let tombstone =
            if self.tombstone_ttl.is_zero() { Self::UNKNOWN_TOMBSTONE } else { self.tombstone_ttl };
        let spans = [self.lease, self.response_timeout, self.ttl, self.ttl, tombstone];
        spans.into_iter().fold(Duration::ZERO, Duration::saturating_add)
    }
}
