//! The audit log: one line for each change that an operator made, may have made, or was refused, for each
//! showing of a stored response, and for requests that access control denied.
//!
//! `by` is the name of the operator's token, and `peer` the address at the other end of the connection.

use std::borrow::Cow;

use http::Method;
use tracing::field::display;

use crate::config::Role;
use crate::protocol::{OperatorVerdict, Record, RecordId, Refusal};
use crate::store::{Decision, StoreError};
use crate::telemetry::log::AUDIT;

use super::operator::{Operator, PeerAddress};
use super::reloaded::Reloaded;

/// The change that an operator asked for.
pub(super) enum Change {
    /// Deletes a response.
    Delete,
    /// Takes a decision back.
    Reopen {
        /// The reason, in the operator's words.
        note: String,
    },
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
        /// The SHA-256 of the upstream's ledger that the decision was taken from, in hexadecimal digits.
        ledger_sha256: Option<String>,
    },
}

/// Logs the result of `change`. A change that could not be stored changed nothing and is not logged. A change
/// that may have been stored is logged.
pub(super) fn log(
    operator: &Operator,
    id: RecordId,
    change: &Change,
    decided: &Result<Decision<OperatorVerdict>, StoreError>,
) {
    let line = Line { operator, id, change };
    match decided {
        Ok(Decision { verdict: OperatorVerdict::Decided(record), .. }) => {
            line.write("done", None, Some(record));
        }
        Ok(Decision { verdict: OperatorVerdict::Refused(refusal), .. }) => {
            let record = match refusal {
                Refusal::WrongState(record) | Refusal::TooEarly { record, .. } => Some(record),
                Refusal::Absent => None,
            };
            line.write("refused", Some(&why(refusal)), record);
        }
        Err(StoreError::Unclear(_)) => line.write("unclear", None, None),
        Err(StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Unreadable { .. }) => {}
    }
}

fn why(refusal: &Refusal) -> Cow<'static, str> {
    match refusal {
        Refusal::Absent => "no record has this id".into(),
        Refusal::WrongState(record) => format!("the record is {}", record.state.name()).into(),
        Refusal::TooEarly { until, .. } => format!("the call may still be under way until {until}").into(),
    }
}

/// Logs a change that evidence of the upstream has refused. The fence that was asked for may have been
/// written.
pub(super) fn log_refused(
    operator: &Operator,
    id: RecordId,
    change: &Change,
    why: &str,
    record: Option<&Record>,
) {
    Line { operator, id, change }.write("refused", Some(why), record);
}

/// Logs that a stored response was shown.
pub(super) fn log_shown(operator: &Operator, id: RecordId, record: &Record) {
    let Operator { name: by, peer, .. } = operator;
    tracing::info!(
        target: AUDIT, action = "show-response", by = %by, %peer, record = %id, outcome = "done",
        route = &*record.route, execution = record.state.n(), labels = record.labels.shown().map(display), "stored response shown",
    );
}

/// Logs a request that needs a role which the operator does not have.
pub(super) fn log_role(operator: &Operator, method: &Method, id: Option<RecordId>, needed: Role) {
    let Operator { name: by, peer, role } = operator;
    let record = id.map(tracing::field::display);
    tracing::info!(
        target: AUDIT, action = "access", by = %by, %peer, record, outcome = "denied", why = "role",
        %method, %role, %needed, "the operator's role does not suffice",
    );
}

/// Logs a request that was not admitted. `left_out` is the number of such requests since the last line.
pub(super) fn log_denied(peer: PeerAddress, method: &Method, why: &str, left_out: u64) {
    tracing::info!(
        target: AUDIT, action = "access", %peer, outcome = "denied", why, %method, left_out,
        "request to /v1 denied",
    );
}

/// Logs the result of accepting a clock. `accepted` says whether claims were stopped.
pub(super) fn log_clock(operator: &Operator, note: Option<&str>, accepted: &Result<bool, StoreError>) {
    let (outcome, stopped) = match accepted {
        Ok(stopped) => ("done", Some(*stopped)),
        Err(StoreError::Unclear(_)) => ("unclear", None),
        Err(StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Unreadable { .. }) => return,
    };
    let Operator { name: by, peer, .. } = operator;
    tracing::info!(
        target: AUDIT, action = "accept-clock", by = %by, %peer, outcome, claims_were_stopped = stopped, note,
        "the store's clock accepted",
    );
}

/// Logs a reload of the configuration that an operator asked for.
pub(super) fn log_reload(operator: &Operator, reloaded: &Reloaded) {
    let Operator { name: by, peer, .. } = operator;
    let outcome = if reloaded.is_success() { "done" } else { "refused" };
    let why = (!reloaded.is_success()).then(|| reloaded.outcome());
    tracing::info!(
        target: AUDIT, action = "reload", by = %by, %peer, outcome, why, "configuration reload asked for",
    );
}

/// A change to be logged.
struct Line<'a> {
    operator: &'a Operator,
    id: RecordId,
    change: &'a Change,
}

impl Line<'_> {
    fn write(&self, outcome: &str, why: Option<&str>, record: Option<&Record>) {
        let Operator { name: by, peer, .. } = self.operator;
        let id = self.id;
        let route = record.map(|record| &*record.route);
        let execution = record.map(|record| record.state.n());
        let labels = record.and_then(|record| record.labels.shown()).map(display);
        match self.change {
            Change::Delete => {
                let text = if outcome == "refused" { "deletion refused" } else { "record deleted" };
                tracing::info!(
                    target: AUDIT, action = "delete", by = %by, %peer, record = %id, outcome, why, route,
                    execution, labels, "{text}",
                );
            }
            Change::Reopen { note } => {
                let text = if outcome == "refused" { "reopening refused" } else { "record reopened" };
                tracing::info!(
                    target: AUDIT, action = "reopen", by = %by, %peer, record = %id, outcome, why, route,
                    execution, note, labels, "{text}",
                );
            }
            Change::Resolve { executed, status, force, note, ledger_sha256 } => {
                // A forced "not executed" does not wait for the clock: the call may still act, and the next
                // execution runs too.
                let ends = (*force && !executed && outcome != "refused").then_some("at-most-once");
                let text = if outcome == "refused" { "resolution refused" } else { "record resolved" };
                tracing::info!(
                    target: AUDIT, action = "resolve", by = %by, %peer, record = %id, outcome, why, route,
                    execution, executed, response_status = status, forced = force, ends, note, ledger_sha256,
                    labels, "{text}",
                );
            }
        }
    }
}
