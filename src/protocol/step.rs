//! The steps of an operation, each with its sender. `n` is always the number of the
//! execution that the sender means.

use std::sync::Arc;

use crate::clock::Timestamp;

use super::{
    Finding, Fingerprint, History, Labels, Owner, Policy, Record, ResponseRef, Revision, Signature, State,
};

/// The claim of an attempt that asks to run.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The token of the execution that would run.
    pub owner: Owner,
    /// The route's namespace.
    pub namespace: Arc<str>,
    /// The route's name.
    pub route: Arc<str>,
    /// The client's request, as a digest.
    pub fingerprint: Fingerprint,
    /// The route's policy, for a record that does not exist yet.
    pub policy: Policy,
    /// The parts of the request that settling needs. See [`Record::kept`].
    pub kept: Option<Arc<[u8]>>,
    /// The labels of the request. See [`Record::labels`].
    pub labels: Labels,
}

impl Claim {
    /// Returns the record of a first execution, as of `now`.
    #[must_use]
    pub fn first(&self, now: Timestamp) -> Record {
        Record {
            revision: Revision::first(self.owner),
            namespace: Arc::clone(&self.namespace),
            route: Arc::clone(&self.route),
            fingerprint: self.fingerprint.clone(),
            policy: self.policy,
            created_at: now,
            updated_at: now,
            state: State::Running { owner: self.owner, n: 1, undecided: false },
            kept: self.kept.clone(),
            labels: self.labels.clone(),
            doubt: None,
            history: History::default(),
        }
    }
}

/// A renewal: the owner of an execution is still at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renew {
    /// Owner of the execution.
    pub owner: Owner,
    /// Number of the execution.
    pub n: u32,
}

/// The report of an owner after its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Owner of the execution.
    pub owner: Owner,
    /// Number of the execution.
    pub n: u32,
    /// The meaning of the call for the record.
    pub finding: Finding,
}

/// A take-over: an operation runs again if its record is cleared, or if it is unknown and the record's policy
/// allows that without evidence. In contrast to a claim, it never begins an operation that has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeOver {
    /// Token of the new execution.
    pub owner: Owner,
    /// Owner of the execution that it follows.
    pub after: Owner,
    /// Number of the execution that it follows.
    pub n: u32,
}

/// A settlement: a probe or a marker row decides an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Owner of the unknown execution. A release leaves the number to another owner, about whose execution
    /// the evidence says nothing.
    pub owner: Owner,
    /// Number of the unknown execution.
    pub n: u32,
    /// The evidence.
    pub evidence: Evidence,
}

/// Evidence about an operation with an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// An executed operation, with its response if that was found too.
    Executed(Option<ResponseRef>),
    /// An operation that was not executed. The next attempt may run.
    NotExecuted {
        /// True if every undecided execution so far was fenced and so can no longer act.
        fenced: bool,
    },
}

/// The finding of an operator about an unknown operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// An executed operation, with its response if that is known.
    Executed(Option<ResponseRef>),
    /// An operation that was not executed. The next attempt may run.
    NotExecuted {
        /// True to decide although the call could still be under way. This ends "at most once".
        force: bool,
    },
}

/// The taking back of an operator's decision: the outcome is unknown again, as it was before the decision. A
/// decision that gave clients a response, or after which another step was written, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reopen;

/// A deletion: an operator drops a response before its time. The tombstone stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete;

/// A step of an operator, signed for the record's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<S> {
    /// The step.
    pub step: S,
    /// The operator's name and reason.
    pub signature: Signature,
}

/// The passing of time: a lease that is over lapses, and a record expires or ends when its retention is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep;

/// A kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A [`Claim`].
    Claim,
    /// A [`Renew`].
    Renew,
    /// A [`Report`] of a completion.
    Complete,
    /// A [`Report`] of a release.
    Release,
    /// A [`Report`] of a loss.
    Lose,
    /// A [`TakeOver`].
    TakeOver,
    /// A [`Settle`].
    Settle,
    /// A [`Resolution`].
    Resolve,
    /// A [`Reopen`].
    Reopen,
    /// A [`Delete`].
    Delete,
    /// A [`Sweep`].
    Sweep,
}
