//! Steps of every kind in one type, and their verdicts in another: for tables that go through all of them.
//!
//! The protocol gives each kind of step verdicts of its own. Here they become the names of one list. That the
//! record of a verdict is the record that was written is checked on the way.

use oncegate::clock::Timestamp;
use oncegate::protocol::{
    self, Claim, ClaimVerdict, Delete, Evidence, Executed, Finding, OperatorVerdict, Owner, OwnerVerdict,
    Reason, Record, Renew, RenewVerdict, Reopen, Report, Resolution, ResponseRef, Settle, SettleVerdict,
    Standing, Step, StepKind, Sweep, SweepVerdict, TakeOver, TakeOverVerdict,
};

/// An event of an operation. `n` is the number of the execution that the sender means.
#[derive(Clone, Debug)]
pub enum Event {
    /// A claim: an attempt asks to run the operation, or to get the reason why it may not.
    Claim(Claim),
    /// A renewal: the owner is still at work.
    Renew {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
    },
    /// A completion: the owner has the upstream's response.
    Complete {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// Response of the upstream.
        response: ResponseRef,
    },
    /// A release: the owner knows that the upstream did not act.
    Release {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
    },
    /// A loss: the owner will never know the outcome.
    Lose {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// Cause of the unknown outcome.
        reason: Reason,
    },
    /// The passing of time: a lease that is over lapses, and a record expires or ends when its retention is
    /// over.
    Sweep,
    /// A take-over: an attempt runs an unknown operation again, if the record's policy allows it.
    TakeOver {
        /// Token of the new execution.
        owner: Owner,
        /// Owner of the execution that it follows.
        after: Owner,
        /// Number of the execution that it follows.
        n: u32,
    },
    /// A settlement: a probe or a marker row decides an unknown outcome.
    Settle {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// The evidence.
        evidence: Evidence,
    },
    /// A resolution: an operator decides an unknown outcome.
    Resolve(Resolution),
    /// The taking back of an operator's decision.
    Reopen,
    /// A deletion: an operator drops a response before its time. The tombstone stays.
    Delete,
}

/// The change to write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack of a test")]
pub enum Next {
    /// No change.
    Unchanged,
    /// A record that replaces the old one.
    Write(Record),
    /// Removal of the record.
    Remove,
}

/// The meaning of the event for its sender, once [`Next`] is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A claim or take-over that stands: this owner runs execution `n`.
    Won {
        /// Number of the execution.
        n: u32,
    },
    /// Another execution that is believed alive.
    InFlight,
    /// The stored response.
    Replay(ResponseRef),
    /// An executed operation without a response to show.
    Settled,
    /// An unknown outcome. The record's policy says what may be done.
    Unknown,
    /// A tombstone without a response.
    Expired(Executed),
    /// A key that belongs to a different request.
    Mismatch,
    /// A record made under another fingerprint scheme. The caller compares again under that scheme.
    OtherScheme,
    /// A renewed lease, which now ends later.
    Renewed,
    /// A response that is now the stored response of the operation.
    Stored,
    /// An operation that was not executed. The key is free for another execution.
    Released,
    /// An execution that did not act, while an earlier execution is still undecided.
    StillUnknown,
    /// An outcome that is recorded as unknown.
    Held,
    /// A record that moved on without this owner. The caller answers from the record.
    Lost,
    /// An operator's decision that stands.
    Resolved,
    /// An operator's decision that was refused.
    Refused(Refusal),
    /// A deleted response. The tombstone is left.
    Deleted,
    /// A lease that lapsed into an unknown outcome.
    Lapsed,
    /// A response or an outcome that became a tombstone.
    Retired,
    /// A tombstone that ended.
    Forgotten,
    /// No effect.
    Nothing,
}

/// The reason why an operator's decision was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No record exists.
    Absent,
    /// A record in a state that the decision does not apply to.
    WrongState(&'static str),
    /// A call that could still be under way.
    TooEarly {
        /// Time from which "not executed" can be decided without force.
        until: Timestamp,
    },
}

/// A decision: the change to write, and its meaning once it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The change to write, with a comparison on the record that was decided on.
    pub next: Next,
    /// The verdict that holds once the change is stored.
    pub verdict: Verdict,
}

/// A verdict of one kind of step.
pub trait Told {
    /// Returns the verdict in the list of all.
    fn told(&self) -> Verdict;

    /// Returns the record that the verdict is about.
    fn record(&self) -> Option<&Record>;
}

impl Told for ClaimVerdict {
    fn told(&self) -> Verdict {
        match self {
            Self::Won(record) => Verdict::Won { n: record.state.n() },
            Self::NotWon(standing) => standing.told(),
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Won(record) => Some(record),
            Self::NotWon(standing) => Some(standing.record()),
        }
    }
}

impl Told for Standing {
    fn told(&self) -> Verdict {
        match self {
            Self::InFlight(_) => Verdict::InFlight,
            Self::Replay(_, response) => Verdict::Replay(*response),
            Self::Settled(_) => Verdict::Settled,
            Self::Unknown(_) => Verdict::Unknown,
            Self::Expired(_, executed) => Verdict::Expired(*executed),
            Self::Mismatch(_) => Verdict::Mismatch,
            Self::OtherScheme(_) => Verdict::OtherScheme,
        }
    }

    fn record(&self) -> Option<&Record> {
        Some(Standing::record(self))
    }
}

impl Told for RenewVerdict {
    fn told(&self) -> Verdict {
        match self {
            Self::Renewed(_) => Verdict::Renewed,
            Self::Lost(_) => Verdict::Lost,
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Renewed(record) => Some(record),
            Self::Lost(record) => record.as_ref(),
        }
    }
}

impl Told for OwnerVerdict {
    fn told(&self) -> Verdict {
        match self {
            Self::Stored(_) => Verdict::Stored,
            Self::Released(_) => Verdict::Released,
            Self::StillUnknown(_) => Verdict::StillUnknown,
            Self::Unknown(_) => Verdict::Held,
            Self::Lost(_) => Verdict::Lost,
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Stored(record) | Self::StillUnknown(record) | Self::Unknown(record) => Some(record),
            Self::Released(record) | Self::Lost(record) => record.as_ref(),
        }
    }
}

impl Told for TakeOverVerdict {
    fn told(&self) -> Verdict {
        match self {
            Self::Won(record) => Verdict::Won { n: record.state.n() },
            Self::Lost(_) => Verdict::Lost,
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Won(record) => Some(record),
            Self::Lost(record) => record.as_ref(),
        }
    }
}

impl Told for SettleVerdict {
    fn told(&self) -> Verdict {
        match self {
            Self::Settled(_) => Verdict::Settled,
            Self::Lost(_) => Verdict::Lost,
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Settled(record) => Some(record),
            Self::Lost(record) => record.as_ref(),
        }
    }
}

impl Told for OperatorVerdict {
    fn told(&self) -> Verdict {
        match self {
            Self::Decided(record) if matches!(record.state, protocol::State::Expired { .. }) => {
                Verdict::Deleted
            }
            Self::Decided(_) => Verdict::Resolved,
            Self::Refused(protocol::Refusal::Absent) => Verdict::Refused(Refusal::Absent),
            Self::Refused(protocol::Refusal::WrongState(record)) => {
                Verdict::Refused(Refusal::WrongState(record.state.name()))
            }
            Self::Refused(protocol::Refusal::TooEarly { until, .. }) => {
                Verdict::Refused(Refusal::TooEarly { until: *until })
            }
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Decided(record)
            | Self::Refused(
                protocol::Refusal::WrongState(record) | protocol::Refusal::TooEarly { record, .. },
            ) => Some(record),
            Self::Refused(protocol::Refusal::Absent) => None,
        }
    }
}

impl Told for SweepVerdict {
    fn told(&self) -> Verdict {
        match self {
            Self::Lapsed(_) => Verdict::Lapsed,
            Self::Retired(_) => Verdict::Retired,
            Self::Forgotten => Verdict::Forgotten,
            Self::Nothing => Verdict::Nothing,
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Lapsed(record) | Self::Retired(record) => Some(record),
            Self::Forgotten | Self::Nothing => None,
        }
    }
}

/// A function for a step of any kind.
pub trait Visitor {
    /// Result of the function.
    type Output;

    /// Calls the function.
    fn visit<S: Step<Verdict: Told> + 'static>(self, step: S) -> Self::Output;
}

impl Event {
    /// Calls a function with the protocol's step for this event.
    pub fn visit<V: Visitor>(&self, visitor: V) -> V::Output {
        let report = |owner, n, finding| Report { owner, n, finding };
        match *self {
            Self::Claim(ref claim) => visitor.visit(claim.clone()),
            Self::Renew { owner, n } => visitor.visit(Renew { owner, n }),
            Self::Complete { owner, n, response } => {
                visitor.visit(report(owner, n, Finding::Complete(response)))
            }
            Self::Release { owner, n } => visitor.visit(report(owner, n, Finding::Release)),
            Self::Lose { owner, n, reason } => visitor.visit(report(owner, n, Finding::Lose(reason))),
            Self::Sweep => visitor.visit(Sweep),
            Self::TakeOver { owner, after, n } => visitor.visit(TakeOver { owner, after, n }),
            Self::Settle { owner, n, evidence } => visitor.visit(Settle { owner, n, evidence }),
            Self::Resolve(ref resolution) => visitor.visit(*resolution),
            Self::Reopen => visitor.visit(Reopen),
            Self::Delete => visitor.visit(Delete),
        }
    }
}

impl Event {
    /// Returns the kind of the protocol's step for this event.
    pub fn kind(&self) -> StepKind {
        self.visit(Kind)
    }
}

struct Kind;

impl Visitor for Kind {
    type Output = StepKind;

    fn visit<S: Step<Verdict: Told> + 'static>(self, step: S) -> StepKind {
        step.kind()
    }
}

/// Decides with the protocol, as [`protocol::transition`] does for one kind of step.
pub fn transition(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
    event.visit(Decide { record, now })
}

struct Decide<'r> {
    record: Option<&'r Record>,
    now: Timestamp,
}

impl Visitor for Decide<'_> {
    type Output = Transition;

    fn visit<S: Step<Verdict: Told> + 'static>(self, step: S) -> Transition {
        match protocol::transition(self.record, &step, self.now) {
            protocol::Transition::Unchanged(verdict) => {
                Transition { next: Next::Unchanged, verdict: verdict.told() }
            }
            protocol::Transition::Write(record, verdict) => {
                let verdict = verdict(record.clone());
                assert_eq!(verdict.record(), Some(&record), "a verdict is about the record that was written");
                Transition { next: Next::Write(record), verdict: verdict.told() }
            }
            protocol::Transition::Remove(verdict) => {
                Transition { next: Next::Remove, verdict: verdict.told() }
            }
        }
    }
}
