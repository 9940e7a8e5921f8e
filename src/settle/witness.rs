//! The witness of an execution: it can tell what became of a call with an outcome that the gateway does not
//! know.

use std::pin::Pin;

use crate::clock::Timestamp;
use crate::protocol::{OnUnknown, Record, RecordId, State, StoredResponse};

/// A future of a witness.
pub type WitnessFuture<'w, T> = Pin<Box<dyn Future<Output = T> + Send + 'w>>;

/// An execution that a witness is asked about: execution `n` of the operation.
#[derive(Clone, Copy, Debug)]
pub struct Case<'c> {
    /// Name of the operation.
    pub id: RecordId,
    /// Record of the operation.
    pub record: &'c Record,
    /// Number of the execution.
    pub n: u32,
    /// The store's clock.
    pub now: Timestamp,
}

impl Case<'_> {
    /// Returns the name of execution `n` as the upstream was sent it.
    #[must_use]
    pub fn execution(&self, n: u32) -> String {
        format!("{}:{n}", self.id)
    }

    /// Returns the numbers of the executions that are not decided: the last one, and all before it if an
    /// earlier one is undecided.
    pub fn undecided(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        let earlier = matches!(
            self.record.state,
            State::Running { undecided: true, .. }
                | State::Unknown { undecided: true, .. }
                | State::Cleared { undecided: true, .. }
        );
        let first = if earlier { 1 } else { self.n };
        first..=self.n
    }

    /// Returns the time from which the execution can no longer be under way, if its outcome is unknown.
    #[must_use]
    pub fn quiet_at(&self) -> Option<Timestamp> {
        match self.record.state {
            State::Unknown { quiet_at, .. } => Some(quiet_at),
            _ => None,
        }
    }
}

/// The answer of a witness about an unknown execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Testimony {
    /// An executed operation, with its response if the witness knows it.
    Executed(Option<StoredResponse>),
    /// An operation that was not executed.
    NotExecuted {
        /// True if every undecided execution so far was fenced and so can no longer act.
        fenced: bool,
    },
    /// No knowledge. The outcome stays unknown. The text says why, for the log.
    Undecided(String),
}

/// The answer of a witness that was told to fence an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fence {
    /// No fence under this policy.
    Absent,
    /// An execution that can no longer act.
    Closed,
    /// An execution that has acted already.
    Executed,
    /// A fence that may be closed or not. The text says why.
    Unanswered(String),
}

/// A source of knowledge about executions outside of the gateway, by a policy for unknown outcomes.
///
/// A witness that does not get its own answer gives the safe one: undecided, may not complete, or unanswered.
pub trait Witness: Send + Sync {
    /// Tells whether this witness knows of executions under `policy`.
    fn serves(&self, policy: OnUnknown) -> bool;

    /// Asks what became of an unknown execution. The caller asks only after the deadline of the execution, or
    /// once the upstream has answered.
    fn ask<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Testimony>;

    /// Tells whether a completion that comes late may still be recorded: a fenced execution may not complete.
    fn may_complete<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, bool> {
        let _ = case;
        Box::pin(std::future::ready(true))
    }

    /// Fences an execution, so that it can no longer act.
    fn fence<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Fence> {
        let _ = case;
        Box::pin(std::future::ready(Fence::Absent))
    }
}
