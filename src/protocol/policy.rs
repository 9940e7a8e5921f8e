//! The part of a route's configuration that decides about a record's life. It is kept in the record itself,
//! because a gateway with another configuration must not undo the promises made when the operation was first
//! seen.

use std::time::Duration;

/// The permitted reaction to an execution with an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnUnknown {
    /// No new execution. An operator or a late completion decides the outcome, or the ttl ends first. There
    /// is at most one execution.
    Hold,
    /// A repeated execution with the same key. More than one effect is possible, unless the upstream honours
    /// its own keys.
    Retry {
        /// Time from the first attempt's claim for which the upstream honours its keys. After it, the
        /// outcome is held. `None` repeats without an end.
        window: Option<Duration>,
    },
    /// A question to the upstream about the outcome, before the operation runs again.
    Probe,
    /// A fence for the execution in the upstream's own transaction, before the next one runs.
    Marker,
}

impl OnUnknown {
    /// Tells whether evidence outside of the gateway can decide the outcome.
    #[must_use]
    pub fn has_evidence(self) -> bool {
        matches!(self, Self::Probe | Self::Marker)
    }
}

/// The durations that apply to one operation, and the permitted reaction to its unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The permitted reaction to an unknown outcome.
    pub on_unknown: OnUnknown,
    /// Time for which a silent owner is believed alive.
    pub lease: Duration,
    /// The longest time that the call of one execution can last, connecting included.
    pub response_timeout: Duration,
    /// Time for which a response is replayed, counted from the terminal transition.
    pub ttl: Duration,
    /// Time for which the key is remembered after that. With zero, a known outcome is dropped at once, and an
    /// unknown one is kept for [`Policy::UNKNOWN_TOMBSTONE`].
    pub tombstone_ttl: Duration,
}

impl Policy {
    /// Time for which an unknown outcome is remembered if the route asks for no tombstone. Without this
    /// tombstone, a very late retry could run a payment that may already have happened.
    pub const UNKNOWN_TOMBSTONE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Returns the shortest time from a write to the deadline of the written record.
    #[must_use]
    pub fn shortest_span(&self) -> Duration {
        let tombstone = if self.tombstone_ttl.is_zero() { self.ttl } else { self.tombstone_ttl };
        self.lease.min(self.ttl).min(tombstone)
    }

    /// Returns the longest time that a record can live from its first claim, while gateways sweep. The time
    /// consists of the call and its lease, an unknown outcome that is decided at the very end of its ttl, the
    /// ttl of that decision, and a tombstone.
    #[must_use]
    pub fn longest_life(&self) -> Duration {
        let tombstone =
            if self.tombstone_ttl.is_zero() { Self::UNKNOWN_TOMBSTONE } else { self.tombstone_ttl };
        let spans = [self.lease, self.response_timeout, self.ttl, self.ttl, tombstone];
        spans.into_iter().fold(Duration::ZERO, Duration::saturating_add)
    }
}
