//! The audit log: one line for each change that an operator made, or may have made.

use crate::protocol::{Record, RecordId, Verdict};
use crate::store::{Decision, StoreError};
use crate::telemetry::log::AUDIT;

/// What an operator asked for.
pub(super) enum Change {
    /// A response was let go.
    Delete,
    /// An unknown outcome was decided.
    Resolve {
        /// What was decided.
        executed: bool,
        /// The status of the response that was supplied.
        status: Option<u16>,
        /// Whether "not executed" was to hold although the call could be under way.
        force: bool,
        /// Why, in the operator's words.
        note: String,
    },
}

/// Writes down what became of `change`. What was refused or could not be stored changed nothing
/// and is no matter for this log; what may have been stored is.
pub(super) fn log(id: RecordId, change: &Change, decided: &Result<Decision, StoreError>) {
    match decided {
        Ok(decision) if matches!(decision.verdict, Verdict::Deleted | Verdict::Resolved) => {
            write(id, change, "done", decision.record.as_ref());
        }
        Err(StoreError::Unclear(_)) => write(id, change, "unclear", None),
        Ok(_) | Err(StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Unreadable { .. }) => {}
    }
}

/// Writes down what became of the acceptance of a clock; `accepted` says whether claims were stopped.
pub(super) fn log_clock(note: Option<&str>, accepted: &Result<bool, StoreError>) {
    let (outcome, stopped) = match accepted {
        Ok(stopped) => ("done", Some(*stopped)),
        Err(StoreError::Unclear(_)) => ("unclear", None),
        Err(StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Unreadable { .. }) => return,
    };
    tracing::info!(
        target: AUDIT, action = "accept-clock", outcome, claims_were_stopped = stopped, note,
        "the store's clock accepted",
    );
}

fn write(id: RecordId, change: &Change, outcome: &str, record: Option<&Record>) {
    let route = record.map(|record| &*record.route);
    let execution = record.map(|record| record.state.n());
    match change {
        Change::Delete => {
            tracing::info!(target: AUDIT, action = "delete", record = %id, outcome, route, execution, "record deleted");
        }
        Change::Resolve { executed, status, force, note } => {
            // A decision against the clock: the call may still act, and the next one runs too.
            let ends = (*force && !executed).then_some("at-most-once");
            tracing::info!(
                target: AUDIT, action = "resolve", record = %id, outcome, route, execution,
                executed, response_status = status, forced = force, ends, note, "record resolved",
            );
        }
    }
}
