//! What the store keeps about one operation.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;

use super::{Fingerprint, Owner, Policy, Reason, ResponseRef, Revision};

/// Everything that is remembered of one operation, its response body apart.
///
/// A record holds no deadline, only the time of its last write and its policy's durations: the
/// store stamps `updated_at` with its own clock, and every deadline follows from that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Changes with every write; a writer compares it to know that nothing happened in between.
    pub revision: Revision,
    /// What groups the key, from the route.
    pub namespace: Arc<str>,
    /// The name of the route that created the record, for lists and metrics.
    pub route: Arc<str>,
    /// What the first attempt asked.
    pub fingerprint: Fingerprint,
    /// The promises under which the first attempt was taken.
    pub policy: Policy,
    /// When the first attempt claimed.
    pub created_at: Timestamp,
    /// When this revision was written.
    pub updated_at: Timestamp,
    /// Where the operation stands.
    pub state: State,
}

/// Where an operation stands. That a record is absent is the seventh state.
///
/// `n` numbers the executions and never goes back while the record lives. `undecided` says that an
/// earlier execution of the same operation was never decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// An execution may have been sent and is believed alive until its lease ends.
    Running {
        /// Whose execution it is.
        owner: Owner,
        /// Its number.
        n: u32,
        /// Whether an earlier one is undecided.
        undecided: bool,
    },
    /// Executed; the response is known.
    Completed {
        /// Whose execution it was.
        owner: Owner,
        /// Its number.
        n: u32,
        /// What came of it.
        response: ResponseRef,
    },
    /// Executed; the response is not known to us.
    Settled {
        /// Whose execution it was; a late completion may still bring the response.
        owner: Owner,
        /// Its number.
        n: u32,
    },
    /// Sent, and nobody can say what came of it.
    Unknown {
        /// Whose execution it was; a late completion may still decide it.
        owner: Owner,
        /// Its number.
        n: u32,
        /// Whether an earlier one is undecided too.
        undecided: bool,
        /// Why it is unknown.
        reason: Reason,
        /// When the call can no longer be under way: the last lease's end plus the response
        /// timeout.
        quiet_at: Timestamp,
    },
    /// Declared not executed; the next attempt may run as execution n + 1.
    Cleared {
        /// Whose execution it was.
        owner: Owner,
        /// Its number.
        n: u32,
    },
    /// The tombstone: the key was used, the response is no longer kept.
    Expired {
        /// The number of the last execution.
        n: u32,
        /// What is remembered of it.
        executed: Executed,
    },
}

/// What a tombstone remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executed {
    /// The operation was executed.
    Yes,
    /// Nobody ever found out.
    Unknown,
}

impl State {
    /// The state's name in the admin API and in lists.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Completed { .. } => "completed",
            Self::Settled { .. } => "settled",
            Self::Unknown { .. } => "unknown",
            Self::Cleared { .. } => "cleared",
            Self::Expired { .. } => "expired",
        }
    }

    /// The number of the last execution.
    #[must_use]
    pub fn n(&self) -> u32 {
        match *self {
            Self::Running { n, .. }
            | Self::Completed { n, .. }
            | Self::Settled { n, .. }
            | Self::Unknown { n, .. }
            | Self::Cleared { n, .. }
            | Self::Expired { n, .. } => n,
        }
    }
}

impl Record {
    /// When this record changes by time alone: a running one lapses, one that holds an outcome
    /// expires, a tombstone ends.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.updated_at.plus(self.until_deadline())
    }

    /// How long after its last write this record changes by time alone.
    #[must_use]
    pub fn until_deadline(&self) -> Duration {
        match self.state {
            State::Running { .. } => self.policy.lease,
            State::Expired { executed, .. } => self.tombstone(executed),
            State::Completed { .. }
            | State::Settled { .. }
            | State::Unknown { .. }
            | State::Cleared { .. } => self.policy.ttl,
        }
    }

    /// When the current lease ends; `None` unless an execution is running.
    #[must_use]
    pub fn lease_until(&self) -> Option<Timestamp> {
        matches!(self.state, State::Running { .. }).then(|| self.deadline())
    }

    /// The record as it stands at `now`: retention ends by itself, whether or not a sweep has
    /// written that down. `None` once nothing is remembered.
    ///
    /// A lease that is over does *not* end by itself. The execution may still renew or complete,
    /// so that it became unknown is decided by a write.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Cow<'_, Self>> {
        let executed = match self.state {
            State::Running { .. } => return Some(Cow::Borrowed(self)),
            _ if now < self.deadline() => return Some(Cow::Borrowed(self)),
            State::Expired { .. } => return None,
            State::Completed { .. } | State::Settled { .. } => Executed::Yes,
            State::Unknown { .. } | State::Cleared { .. } => Executed::Unknown,
        };
        let expired = Self {
            revision: self.revision.next(),
            updated_at: self.deadline(),
            state: State::Expired { n: self.state.n(), executed },
            ..self.clone()
        };
        (now < expired.deadline()).then_some(Cow::Owned(expired))
    }

    /// The next revision of this record, in `state` as of `now`.
    #[must_use]
    pub(super) fn become_at(&self, state: State, now: Timestamp) -> Self {
        Self { revision: self.revision.next(), updated_at: now, state, ..self.clone() }
    }

    fn tombstone(&self, executed: Executed) -> Duration {
        match executed {
            Executed::Unknown if self.policy.tombstone_ttl.is_zero() => Policy::UNKNOWN_TOMBSTONE,
            _ => self.policy.tombstone_ttl,
        }
    }
}
