//! The audit log: one line for each change that an operator made, or may have made.

use crate::protocol::{OperatorVerdict, Record, RecordId};
use crate::store::{Decision, StoreError};
use crate::telemetry::log::AUDIT;

/// The change that an operator asked for.
pub(super) enum Change {
    /// Deletes a response.
    Delete,
    /// Decides an unknown outcome.
    Resolve {
        /// The decision.
        executed: bool,
        /// The status of the response that was supplied.
        status: Option<u16>,
        /// True if "not executed" had to be accepted although the call could still be under way.
        force: bool,
        /// The reason, in the operator's words.
        note: String,
    },
}

/// Logs the result of `change`. A change that the protocol refused, or that could not be stored, changed nothing and
/// is not logged. A change that may have been stored is logged.
pub(super) fn log(id: RecordId, change: &Change, decided: &Result<Decision<OperatorVerdict>, StoreError>) {
    match decided {
        Ok(Decision { verdict: OperatorVerdict::Decided(record), .. }) => {
            write(id, change, "done", Some(record));
        }
        Err(StoreError::Unclear(_)) => write(id, change, "unclear", None),
        Ok(Decision { verdict: OperatorVerdict::Refused(_), .. })
        | Err(StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Unreadable { .. }) => {}
    }
}

/// Logs a change that evidence of the upstream has refused. The fence that was asked for may have been written.
pub(super) fn log_refused(id: RecordId, change: &Change) {
    write(id, change, "refused", None);
}

/// Logs the result of accepting a clock. `accepted` says whether claims were stopped.
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
            // A forced "not executed" does not wait for the clock: the call may still act, and the next
            // execution runs too.
            let ends = (*force && !executed).then_some("at-most-once");
            tracing::info!(
                target: AUDIT, action = "resolve", record = %id, outcome, route, execution,
                executed, response_status = status, forced = force, ends, note, "record resolved",
            );
        }
    }
}
