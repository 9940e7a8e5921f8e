//! The result of settling.

use std::sync::Arc;

use crate::protocol::Record;

/// The result of asking what became of an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// An outcome that stays unknown for now.
    Unknown,
    /// A record that moved on meanwhile. The attempt claims again.
    Changed,
    /// A record that evidence has decided. The attempt claims again.
    Decided(Arc<Record>),
    /// An operation that may run again without evidence: the policy `retry`.
    MayRunAgain,
}
