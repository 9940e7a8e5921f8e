//! The differences of a reconciliation.

use std::collections::BTreeMap;

use serde::Serialize;

/// The kind of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// Several lines of one operation.
    Double,
    /// A line of an operation that is not executed by its record, or of a later execution.
    Contradiction,
    /// A line of an operation that was undecided, or declared not executed, when its ttl ended.
    Expired,
    /// A line of an operation with an error as its stored response.
    ErrorStored,
    /// An executed operation without a line.
    Missing,
    /// A line that decides an unknown outcome.
    Executed,
    /// An unknown outcome that the absence of a line decides.
    NotExecuted,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Double,
        Self::Contradiction,
        Self::Expired,
        Self::ErrorStored,
        Self::Missing,
        Self::Executed,
        Self::NotExecuted,
    ];

    /// Returns the name of the kind in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Contradiction => "contradiction",
            Self::Expired => "expired",
            Self::ErrorStored => "error-stored",
            Self::Missing => "missing",
            Self::Executed => "executed",
            Self::NotExecuted => "not-executed",
        }
    }
}

/// One thing to tell the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) kind: Kind,
    pub(super) record: String,
    pub(super) route: Option<String>,
    /// Number of the record's last execution.
    pub(super) execution: Option<u32>,
    /// Labels of the record.
    pub(super) labels: BTreeMap<String, String>,
    /// Numbers of the lines.
    pub(super) lines: Vec<u64>,
    /// Number of all lines, which may be more than are named.
    pub(super) line_count: u64,
    pub(super) detail: String,
}
