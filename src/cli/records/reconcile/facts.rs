//! The facts about a reconciliation that several parts of it need.

use serde::Serialize;

/// The facts about the ledger itself.
pub(super) struct LedgerFacts {
    pub(super) path: String,
    pub(super) sha256: String,
    pub(super) lines: u64,
    /// Lines without an execution and a key.
    pub(super) unnamed: u64,
}

/// The results of the decisions so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Applied {
    /// Operations settled as executed.
    pub(super) executed: u64,
    /// Operations declared not executed.
    pub(super) not_executed: u64,
    /// Decisions that the gateway refused, because the record had changed, or because evidence of the
    /// upstream says otherwise.
    pub(super) refused: u64,
    /// Operations that the ledger lacks, and that the upstream has executed.
    #[serde(skip)]
    pub(super) contradicted: u64,
}
