//! Policies with a deliberate fault, and conditions that do not hold. Each test names the promise that must
//! detect it.

use oncegate::clock::Timestamp;
use oncegate::protocol::{
    Called, Evidence, Finding, OnUnknown, Outcomes, Owner, Policy, Record, State, finding,
};

use crate::events::{Event, Next, Transition, transition};
use crate::marker::Conduct;
use crate::policies::{answered, keyed, marked, probed, under};
use crate::properties::{
    self, CONFLICT_IS_NOT_STORED, EVIDENCE_IS_TRUE, NO_IS_TRUE, NUMBERS_HAVE_ROWS, ONE_EFFECT,
    STALE_CHANGES_NOTHING, YES_IS_TRUE,
};
use crate::{Protocol, TICK};

/// Returns the properties that the model finds violated.
fn found(model: Protocol) -> Vec<&'static str> {
    model.explore().expect_err("the model noticed nothing")
}

fn marked_with(conduct: Conduct) -> Protocol {
    Protocol { conduct, ..answered(marked(Protocol::new(2, 0, 1), 0)) }
}

/// A finding that ignores the word of the upstream about its marker and its key.
fn ignores_conflicts(owner: Owner, policy: &Policy, _: bool, outcomes: &Outcomes, called: Called) -> Finding {
    let called = match called {
        Called::Answered { status, retained, .. } => Called::Answered { status, retained, conflict: false },
        failed @ Called::Failed { .. } => failed,
    };
    finding(owner, policy, false, outcomes, called)
}

/// A fence before the deadline meets an owner that has not sent yet. Its conflict is no answer.
#[test]
fn a_conflict_with_an_early_fence_that_is_taken_for_an_answer() {
    let model = marked_with(Conduct { waits: false, ..Conduct::RIGHT });
    let found = found(Protocol { finding: ignores_conflicts, ..model });
    assert!(found.contains(&CONFLICT_IS_NOT_STORED) || found.contains(&YES_IS_TRUE), "{found:?}");
}

#[test]
fn a_fence_that_is_taken_for_a_commit() {
    let found = found(marked_with(Conduct { knows_fences: false, ..Conduct::RIGHT }));
    assert!(found.contains(&EVIDENCE_IS_TRUE), "{found:?}");
}

/// The execution changed between the fence and the decision.
#[test]
fn an_operator_who_decides_about_another_execution_than_the_fenced_one() {
    let found = found(marked_with(Conduct { decides_fenced: false, ..Conduct::RIGHT }));
    assert!(found.contains(&EVIDENCE_IS_TRUE) || found.contains(&NUMBERS_HAVE_ROWS), "{found:?}");
}

/// After a loss of the store, a number without a row could act once more.
#[test]
fn a_release_that_leaves_a_number_without_a_row() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record.map(|record| (record, record.state)), event) {
            (Some((record, State::Running { n, .. })), Event::Release { .. }) if n > 1 => {
                let mut held = record.clone();
                held.policy.on_unknown = OnUnknown::Hold;
                transition(Some(&held), event, now)
            }
            _ => transition(record, event, now),
        }
    }
    let found = found(Protocol { transition: broken, ..answered(marked(Protocol::new(2, 0, 0), 0)) });
    assert!(found.contains(&NUMBERS_HAVE_ROWS), "{found:?}");
}

/// A release leaves the number to another owner, about whose execution the probe says nothing.
#[test]
fn a_settlement_that_ignores_the_owner() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record.and_then(|record| record.state.owner()), event) {
            (Some(owner), &Event::Settle { n, evidence, .. }) => {
                transition(record, &Event::Settle { owner, n, evidence }, now)
            }
            _ => transition(record, event, now),
        }
    }
    let found = found(Protocol { transition: broken, ..answered(probed(Protocol::new(2, 0, 0))) });
    assert!(found.contains(&EVIDENCE_IS_TRUE) || found.contains(&STALE_CHANGES_NOTHING), "{found:?}");
}

/// After a probe, the first request can still act. A release must not say that nothing was executed.
#[test]
fn a_cleared_record_that_forgets_what_is_undecided() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        let event = match *event {
            Event::Settle { owner, n, evidence: Evidence::NotExecuted { .. } } => {
                Event::Settle { owner, n, evidence: Evidence::NotExecuted { fenced: true } }
            }
            ref event => event.clone(),
        };
        transition(record, &event, now)
    }
    let found = found(Protocol { transition: broken, ..answered(probed(Protocol::new(2, 0, 0))) });
    assert!(found.contains(&NO_IS_TRUE), "{found:?}");
}

/// A repeated request after the window meets an upstream that has forgotten its key.
#[test]
fn a_take_over_that_ignores_the_window() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        let begun = record.map(|record| Record { created_at: now, ..record.clone() });
        match (event, record) {
            (Event::TakeOver { .. }, Some(record)) if matches!(record.state, State::Unknown { .. }) => {
                let right = transition(begun.as_ref(), event, now);
                let next = match right.next {
                    Next::Write(next) => Next::Write(Record { created_at: record.created_at, ..next }),
                    other => other,
                };
                Transition { next, ..right }
            }
            _ => transition(record, event, now),
        }
    }
    let mut model = answered(keyed(Protocol::new(2, 0, 0), 3, 3));
    // The owner does not look at the window either, and attempts always ask.
    model.start.keys.margin = 0;
    let found = found(Protocol { transition: broken, looks_at_window: false, ..model });
    assert!(found.contains(&ONE_EFFECT), "{found:?}");
}

/// The upstream's word about its own key answers for an execution that is still undecided.
#[test]
fn a_finding_that_takes_the_state_of_a_key_for_the_answer() {
    let model = answered(keyed(Protocol::new(2, 0, 0), 3, 3));
    let found = found(Protocol { finding: ignores_conflicts, ..model });
    assert!(found.contains(&CONFLICT_IS_NOT_STORED) || found.contains(&YES_IS_TRUE), "{found:?}");
}

/// The upstream forgets its key one tick before the window ends.
#[test]
fn a_window_that_is_too_long_makes_a_double() {
    assert!(found(answered(keyed(Protocol::new(2, 0, 0), 4, 3))).contains(&ONE_EFFECT));
}

/// A repeated request that is sent at the very end of the window arrives after it.
#[test]
fn a_request_at_the_end_of_the_window_makes_a_double() {
    let mut model = answered(keyed(Protocol::new(2, 0, 0), 4, 4));
    model.start.keys.margin = 0;
    assert!(found(model).contains(&ONE_EFFECT));
}

/// A request is on its way for longer than the upstream remembers its key.
#[test]
fn a_call_without_an_end_makes_a_double() {
    let mut model = answered(keyed(Protocol::new(2, 0, 0), 3, 3));
    model.start.keys.calls_end = false;
    assert!(found(model).contains(&ONE_EFFECT));
}

#[test]
fn retry_without_keys_makes_a_double() {
    let retry = OnUnknown::Retry { window: Some(4 * TICK) };
    let model = under(retry, properties::promises, answered(Protocol::new(2, 0, 0)));
    assert!(found(model).contains(&ONE_EFFECT));
}
