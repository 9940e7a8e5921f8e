//! The record that the store keeps about one operation.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;

use super::{Fingerprint, History, Labels, OnUnknown, Owner, Policy, Reason, ResponseRef, Revision};

/// The stored facts of one operation, without its response body.
///
/// A record holds no deadline, only the time of its last write and its policy's durations. The store stamps
/// `updated_at` with its own clock, and every deadline follows from that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The version, which changes with every write. A writer compares it to know that no other write came in
    /// between.
    pub revision: Revision,
    /// The route's namespace, which groups the keys.
    pub namespace: Arc<str>,
    /// The name of the route that created the record, for lists and metrics.
    pub route: Arc<str>,
    /// The first attempt's request, as a digest.
    pub fingerprint: Fingerprint,
    /// The policy under which the first attempt was accepted.
    pub policy: Policy,
    /// Time of the first attempt's claim.
    pub created_at: Timestamp,
    /// Time at which this revision was written.
    pub updated_at: Timestamp,
    /// The state of the operation.
    pub state: State,
    /// The parts of the first attempt's request that settling an unknown outcome needs, encoded by the
    /// settler. They are kept until the operation is completed or settled, or an operator decides.
    pub kept: Option<Arc<[u8]>>,
    /// The labels of the first attempt. They stay as long as the record.
    pub labels: Labels,
    /// The doubt that an operator's decision has ended, while the decision can be taken back.
    pub doubt: Option<Box<Doubt>>,
    /// The steps so far that the other fields do not show.
    pub history: History,
}

/// The part of an unknown outcome that an operator's decision ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// True if an earlier execution is undecided too.
    pub undecided: bool,
    /// Cause of the unknown outcome.
    pub reason: Reason,
    /// Time from which the call can no longer be under way.
    pub quiet_at: Timestamp,
}

/// The state of an operation. The absence of a record is a seventh state.
///
/// `n` numbers the executions and never goes back while the record lives. `undecided` says that an earlier
/// execution of the same operation was never decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// An execution that may have been sent and is believed alive until its lease ends.
    Running {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// True if an earlier execution is undecided.
        undecided: bool,
    },
    /// An executed operation with a known response.
    Completed {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// Response of the execution.
        response: ResponseRef,
    },
    /// An executed operation with a response that the gateway does not know.
    Settled {
        /// Owner of the execution. Its late completion may still bring the response.
        owner: Owner,
        /// Number of the execution.
        n: u32,
    },
    /// An execution that was sent and has no known outcome.
    Unknown {
        /// Owner of the execution. Its late completion may still decide the outcome.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// True if an earlier execution is undecided too.
        undecided: bool,
        /// Cause of the unknown outcome.
        reason: Reason,
        /// Time from which the call can no longer be under way: the end of the last lease plus the response
        /// timeout.
        quiet_at: Timestamp,
    },
    /// An operation declared not executed. The next attempt may run as execution n + 1.
    Cleared {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// True if an execution so far could still act: the evidence did not exclude that.
        undecided: bool,
    },
    /// The tombstone of a used key with a response that is no longer kept.
    Expired {
        /// Number of the last execution.
        n: u32,
        /// The remembered outcome of the operation.
        executed: Executed,
    },
}

/// The outcome that a tombstone remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executed {
    /// An executed operation.
    Yes,
    /// An outcome that was never decided.
    Unknown,
}

impl State {
    /// Returns the state's name in the admin API and in lists.
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

    /// Returns the token of the last execution; `None` for a tombstone.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        match *self {
            Self::Running { owner, .. }
            | Self::Completed { owner, .. }
            | Self::Settled { owner, .. }
            | Self::Unknown { owner, .. }
            | Self::Cleared { owner, .. } => Some(owner),
            Self::Expired { .. } => None,
        }
    }

    /// Returns the number of the last execution.
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
    /// Returns the time at which this record changes by time alone: a running one lapses, one with an outcome
    /// expires, and a tombstone ends.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.updated_at.plus(self.until_deadline())
    }

    /// Returns how long after its last write this record changes by time alone.
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

    /// Returns the end of the current lease, or `None` unless an execution is running.
    #[must_use]
    pub fn lease_until(&self) -> Option<Timestamp> {
        matches!(self.state, State::Running { .. }).then(|| self.deadline())
    }

    /// Returns the record as it stands at `now`, or `None` once its tombstone has ended. Retention ends by
    /// time alone, whether or not a sweep has written that down.
    ///
    /// A lease that is over does *not* end by time alone. The execution may still renew or complete, so only
    /// a write decides that the outcome became unknown.
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
            kept: None,
            doubt: None,
            history: self.history.dated(self.updated_at),
            ..self.clone()
        };
        (now < expired.deadline()).then_some(Cow::Owned(expired))
    }

    /// Returns the next revision of this record, in `state` as of `now`.
    #[must_use]
    pub(super) fn become_at(&self, state: State, now: Timestamp) -> Self {
        let is_open = matches!(state, State::Running { .. } | State::Unknown { .. } | State::Cleared { .. });
        let kept = self.kept.clone().filter(|_| is_open);
        let history = self.history.dated(self.updated_at);
        let revision = self.revision.next();
        Self { revision, updated_at: now, state, kept, doubt: None, history, ..self.clone() }
    }

    /// Tells whether the policy of this record allows another execution, or evidence, to decide an unknown
    /// outcome at `now`. An outcome that is not decided by then waits for an operator.
    #[must_use]
    pub fn may_be_settled(&self, now: Timestamp) -> bool {
        match self.policy.on_unknown {
            OnUnknown::Hold => false,
            OnUnknown::Retry { .. } => self.may_run_again(now),
            OnUnknown::Probe | OnUnknown::Marker => true,
        }
    }

    /// Tells whether the policy of this record allows another execution after an unknown one at `now`. A call
    /// that begins now must end before the upstream forgets its key.
    #[must_use]
    pub fn may_run_again(&self, now: Timestamp) -> bool {
        match self.policy.on_unknown {
            OnUnknown::Retry { window: None } => true,
            OnUnknown::Retry { window: Some(window) } => {
                now.plus(self.policy.response_timeout) < self.created_at.plus(window)
            }
            OnUnknown::Hold | OnUnknown::Probe | OnUnknown::Marker => false,
        }
    }

    fn tombstone(&self, executed: Executed) -> Duration {
        match executed {
            Executed::Unknown if self.policy.tombstone_ttl.is_zero() => Policy::UNKNOWN_TOMBSTONE,
            _ => self.policy.tombstone_ttl,
        }
    }
}
