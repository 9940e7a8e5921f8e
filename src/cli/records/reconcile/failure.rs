//! The reasons why a reconciliation ends early.

/// The reason of an early end, in words for the operator.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The command line or the ledger is wrong (exit code 2).
    Usage(String),
    /// Something failed that may work at the next try (exit code 1).
    Failed(String),
}

impl Failure {
    /// Creates the failure of a line of the ledger.
    pub(super) fn line(number: u64, why: impl std::fmt::Display) -> Self {
        Self::Usage(format!("line {number}: {why}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
