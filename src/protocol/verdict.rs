//! The verdicts: the meaning of a step for its sender, once the step is stored. Each kind of step has
//! verdicts of its own, so that a caller reads exactly those that it can get. A verdict carries the record
//! that it is about, as the store holds it.

use crate::clock::Timestamp;

use super::{Executed, Record, ResponseRef, State};

/// The verdict on a [`Claim`](super::Claim).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimVerdict {
    /// A claim that stands: its owner runs the execution of this record.
    Won(Record),
    /// The reason why the attempt may not run.
    NotWon(Standing),
}

/// The state of an operation, for an attempt that may not run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Another execution that is believed alive. Its lease may be over, because only a write makes it
    /// unknown.
    InFlight(Record),
    /// A stored response.
    Replay(Record, ResponseRef),
    /// An executed operation without a response to show.
    Settled(Record),
    /// An unknown outcome. The record's policy says what may be done.
    Unknown(Record),
    /// A tombstone without a response.
    Expired(Record, Executed),
    /// A key that belongs to a different request.
    Mismatch(Record),
    /// A record made under another fingerprint scheme. The caller compares again under that scheme.
    OtherScheme(Record),
}

impl Standing {
    /// Returns how a record stands for an attempt with the same request, or `None` for a cleared record,
    /// which the next attempt may run.
    #[must_use]
    pub fn of(record: Record) -> Option<Self> {
        Some(match record.state {
            State::Running { .. } => Self::InFlight(record),
            State::Completed { response, .. } => Self::Replay(record, response),
            State::Settled { .. } => Self::Settled(record),
            State::Unknown { .. } => Self::Unknown(record),
            State::Cleared { .. } => return None,
            State::Expired { executed, .. } => Self::Expired(record, executed),
        })
    }

    /// Returns the record.
    #[must_use]
    pub fn record(&self) -> &Record {
        match self {
            Self::InFlight(record)
            | Self::Replay(record, _)
            | Self::Settled(record)
            | Self::Unknown(record)
            | Self::Expired(record, _)
            | Self::Mismatch(record)
            | Self::OtherScheme(record) => record,
        }
    }
}

/// The verdict on a [`Renew`](super::Renew).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenewVerdict {
    /// A renewed lease, which now ends later.
    Renewed(Record),
    /// A record that moved on without this owner, if there is one.
    Lost(Option<Record>),
}

/// The verdict on a [`Report`](super::Report).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerVerdict {
    /// A response that is now the stored response of the operation.
    Stored(Record),
    /// An operation that was not executed. The key is free for another execution. A first execution leaves no
    /// record.
    Released(Option<Record>),
    /// An execution that did not act, while an earlier execution is still undecided.
    StillUnknown(Record),
    /// An outcome that is recorded as unknown.
    Unknown(Record),
    /// A record that moved on without this owner, if there is one. The caller answers from the record.
    Lost(Option<Record>),
}

impl OwnerVerdict {
    /// Returns the name of the verdict in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stored(_) => "Stored",
            Self::Released(_) => "Released",
            Self::StillUnknown(_) => "StillUnknown",
            Self::Unknown(_) => "Held",
            Self::Lost(_) => "Lost",
        }
    }
}

/// The verdict on a [`TakeOver`](super::TakeOver).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeOverVerdict {
    /// A take-over that stands: the new owner runs the execution of this record.
    Won(Record),
    /// A record that moved on, or that may not run again by its policy, if there is one.
    Lost(Option<Record>),
}

/// The verdict on a [`Settle`](super::Settle).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettleVerdict {
    /// A record that is decided: completed, settled or cleared.
    Settled(Record),
    /// A record that moved on, or that its policy holds, if there is one.
    Lost(Option<Record>),
}

/// The verdict on an operator's [`Resolution`](super::Resolution) or [`Delete`](super::Delete).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorVerdict {
    /// A decision that stands.
    Decided(Record),
    /// A decision that was refused.
    Refused(Refusal),
}

/// The reason why an operator's decision was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No record exists.
    Absent,
    /// A record in a state that the decision does not apply to.
    WrongState(Record),
    /// A call that could still be under way.
    TooEarly {
        /// Record of the call.
        record: Record,
        /// Time from which "not executed" can be decided without force.
        until: Timestamp,
    },
}

/// The verdict on a [`Sweep`](super::Sweep).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepVerdict {
    /// A lease that lapsed into an unknown outcome.
    Lapsed(Record),
    /// A response or an outcome that became a tombstone.
    Retired(Record),
    /// A tombstone that ended.
    Forgotten,
    /// No effect.
    Nothing,
}
