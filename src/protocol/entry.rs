//! Decides which steps stand in a record's history.
//!
//! [`of`] is pure, as [`notice::of`](super::notice::of) is: it looks at the step and at the record before and
//! after it. A first execution that completes leaves no entry, because the record's own times say everything.

use std::sync::Arc;

use crate::clock::Timestamp;

use super::history::{By, Entry, Event, Signature};
use super::{OnUnknown, Record, State, StepKind};

/// Decides the entry of a step of the kind `step`, which puts `after` in the place of `before`. Returns
/// `None` for a step that the record's own fields show.
#[must_use]
pub(super) fn of(
    step: StepKind,
    signature: Option<&Signature>,
    before: Option<&Record>,
    after: &Record,
    now: Timestamp,
) -> Option<Entry> {
    let before = before?;
    let event = event(step, before, after, now)?;
    let by = match (step, signature, after.policy.on_unknown) {
        (_, Some(signature), _) => By::Operator(Arc::clone(&signature.by)),
        (StepKind::Resolve | StepKind::Reopen | StepKind::Delete, None, _) => By::Operator("operator".into()),
        (StepKind::Settle, _, OnUnknown::Probe) => By::Probe,
        (StepKind::Settle, _, OnUnknown::Marker) => By::Marker,
        _ => By::Gateway,
    };
    let note = signature.and_then(|signature| signature.note.clone());
    Some(Entry { at: None, n: after.state.n(), event, by, note })
}

/// Returns the entry of a first completion if the step deletes the response. The record's own fields show the
/// completion only until then.
#[must_use]
pub(super) fn shown_before(step: StepKind, before: Option<&Record>) -> Option<Entry> {
    match (step, before) {
        (
            StepKind::Delete,
            Some(Record { state: State::Completed { n, response, .. }, history, updated_at, .. }),
        ) if history.entries().is_empty() => {
            let event = Event::Completed(response.status);
            Some(Entry { at: Some(*updated_at), n: *n, event, by: By::Gateway, note: None })
        }
        _ => None,
    }
}

fn event(step: StepKind, before: &Record, after: &Record, now: Timestamp) -> Option<Event> {
    let executed = matches!(after.state, State::Completed { .. } | State::Settled { .. });
    match (step, after.state) {
        (StepKind::Settle, _) => Some(Event::Settled { executed }),
        (StepKind::Resolve, _) => {
            let may_act = matches!(before.state, State::Unknown { quiet_at, .. } if now < quiet_at);
            Some(Event::Resolved { executed, forced: !executed && may_act })
        }
        (StepKind::Reopen, _) => Some(Event::Reopened),
        (StepKind::Delete, _) => Some(Event::Deleted),
        (StepKind::Claim | StepKind::TakeOver, State::Running { n, .. }) if n > 1 => Some(Event::Claimed),
        (StepKind::Release, State::Cleared { .. }) => Some(Event::Released),
        (StepKind::Complete, State::Completed { n, response, .. })
            if n > 1 || !before.history.entries().is_empty() =>
        {
            Some(Event::Completed(response.status))
        }
        (StepKind::Renew, _) => None,
        (_, State::Unknown { reason, .. }) => Some(Event::Unknown(reason)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
