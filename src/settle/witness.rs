//! The witness of an execution: it can tell what became of a call with an outcome that the gateway does not
//! know.

use std::pin::Pin;

use crate::protocol::{Record, RecordId, StoredResponse};

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
    /// No knowledge. The outcome stays unknown.
    Undecided,
}

/// The answer of a witness that was told to fence an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// No fence under this policy.
    Absent,
    /// An execution that can no longer act.
    Closed,
    /// An execution that has acted already.
    Executed,
}

/// A source of knowledge about executions outside of the gateway, by a policy for unknown outcomes.
///
/// A witness that does not get its own answer gives the safe one: undecided, may not complete, or an executed
/// call.
pub trait Witness: Send + Sync {
    /// Asks what became of an unknown execution.
    fn ask<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Testimony>;

    /// Tells whether a completion that comes late may still be recorded: a fenced execution may not complete.
    fn may_complete<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, bool>;

    /// Fences an execution, so that it can no longer act.
    fn fence<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Fence>;
}
