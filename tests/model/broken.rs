//! Transition functions, and findings, with a deliberate fault. Each test names the promise that must detect
//! it.

use oncegate::clock::Timestamp;
use oncegate::protocol::{
    Called, Doubt, Finding, Outcomes, Owner, Policy, Reason, Record, Resolution, ResponseRef, State, finding,
};

use crate::events::{Event, Next, Transition, Verdict, transition};
use crate::properties::{
    ANSWERS_ARE_EQUAL, COMPLETED_STAYS, LEASE_IS_RESPECTED, NO_IS_TRUE, NUMBER_IS_UNIQUE, ONE_EFFECT,
    REOPEN_IS_SAFE, RUNNING_ENDS, STALE_CHANGES_NOTHING, YES_IS_TRUE,
};
use crate::{Decide, Find, Protocol};

/// Returns the properties that the model finds violated by this transition function.
fn found(broken: Decide) -> Vec<&'static str> {
    found_with(1, broken)
}

/// Returns the properties that the model finds violated, if the operator may decide this often.
fn found_with(decisions: u8, broken: Decide) -> Vec<&'static str> {
    let model = Protocol { transition: broken, ..Protocol::new(2, 1, decisions) };
    model.explore().expect_err("the model noticed nothing")
}

fn to(record: &Record, state: State, now: Timestamp, verdict: Verdict) -> Transition {
    let next = Record { revision: record.revision.next(), updated_at: now, state, ..record.clone() };
    Transition { next: Next::Write(next), verdict }
}

/// A renewal that ignores the state brings an ended execution back to life.
#[test]
fn a_renewal_that_ignores_the_state() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record, event) {
            (Some(record), &Event::Renew { owner, n }) => {
                to(record, State::Running { owner, n, undecided: false }, now, Verdict::Renewed)
            }
            _ => transition(record, event, now),
        }
    }
    let found = found(broken);
    let noticed = [STALE_CHANGES_NOTHING, COMPLETED_STAYS, NUMBER_IS_UNIQUE, LEASE_IS_RESPECTED];
    assert!(found.iter().any(|property| noticed.contains(property)), "{found:?}");
}

/// After the end of a lease, the next claim runs, although the first request may still act.
#[test]
fn a_lapse_back_to_running() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record.map(|record| (record, record.state)), event) {
            (Some((record, State::Running { n, .. })), Event::Claim(claim)) if now >= record.deadline() => {
                let state = State::Running { owner: claim.owner, n: n + 1, undecided: true };
                to(record, state, now, Verdict::Won { n: n + 1 })
            }
            _ => transition(record, event, now),
        }
    }
    assert!(found(broken).contains(&ONE_EFFECT));
}

/// A "not executed" that forgets the record gives one execution number to two executions.
#[test]
fn a_resolution_to_absent() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        let right = transition(record, event, now);
        match (event, right.verdict) {
            (Event::Resolve(Resolution::NotExecuted { .. }), Verdict::Resolved) => {
                Transition { next: Next::Remove, ..right }
            }
            _ => right,
        }
    }
    assert!(found(broken).contains(&NUMBER_IS_UNIQUE));
}

/// An owner that lost the comparison answers with its own response.
#[test]
fn a_losing_owner_that_insists() {
    let model = Protocol { loser_insists: true, ..Protocol::new(2, 1, 1) };
    let found = model.explore().expect_err("the model noticed nothing");
    assert!(found.contains(&ANSWERS_ARE_EQUAL), "{found:?}");
}

/// A completion without a comparison overwrites a decision that was made without its owner.
#[test]
fn a_completion_that_compares_nothing() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record, event) {
            (Some(record), &Event::Complete { owner, n, response }) => {
                to(record, State::Completed { owner, n, response }, now, Verdict::Stored)
            }
            _ => transition(record, event, now),
        }
    }
    let found = found(broken);
    let noticed = [COMPLETED_STAYS, STALE_CHANGES_NOTHING, ANSWERS_ARE_EQUAL];
    assert!(found.iter().any(|property| noticed.contains(property)), "{found:?}");
}

/// A doubt that outlives a response lets an operator take back what clients have got.
#[test]
fn a_response_that_can_be_taken_back() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        let doubt = Some(Doubt { undecided: false, reason: Reason::LeaseOver, quiet_at: now });
        match (record.map(|record| (record, record.state)), event) {
            (Some((record, State::Completed { owner, n, .. })), Event::Reopen) => {
                let reason = Reason::LeaseOver;
                let state = State::Unknown { owner, n, undecided: false, reason, quiet_at: now };
                to(record, state, now, Verdict::Resolved)
            }
            _ => match transition(record, event, now) {
                Transition { next: Next::Write(next), verdict } if matches!(event, Event::Resolve(_)) => {
                    Transition { next: Next::Write(Record { doubt: doubt.map(Box::new), ..next }), verdict }
                }
                right => right,
            },
        }
    }
    assert!(found_with(2, broken).contains(&COMPLETED_STAYS));
}

/// A doubt that outlives the next claim takes back a decision that an execution has followed.
#[test]
fn a_decision_that_is_taken_back_too_late() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record.map(|record| (record, record.state)), event) {
            (Some((record, State::Running { owner, n, .. })), Event::Reopen) if n > 1 => {
                let (n, reason) = (n - 1, Reason::LeaseOver);
                let state = State::Unknown { owner, n, undecided: false, reason, quiet_at: now };
                to(record, state, now, Verdict::Resolved)
            }
            _ => match transition(record, event, now) {
                Transition { next: Next::Write(next), verdict } if matches!(event, Event::Claim(_)) => {
                    let doubt = record.and_then(|record| record.doubt.clone());
                    Transition { next: Next::Write(Record { doubt, ..next }), verdict }
                }
                right => right,
            },
        }
    }
    let found = found_with(2, broken);
    let noticed = [REOPEN_IS_SAFE, STALE_CHANGES_NOTHING, LEASE_IS_RESPECTED];
    assert!(found.iter().any(|property| noticed.contains(property)), "{found:?}");
}

/// A sweep that never lapses a lease leaves an execution running forever.
#[test]
fn a_sweep_that_never_lapses() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record.map(|record| record.state), event) {
            (Some(State::Running { .. }), Event::Sweep) => {
                Transition { next: Next::Unchanged, verdict: Verdict::Nothing }
            }
            _ => transition(record, event, now),
        }
    }
    assert!(found(broken).contains(&RUNNING_ENDS));
}

/// A lapse that ignores the lease ends an execution that is alive.
#[test]
fn a_lapse_that_ignores_the_lease() {
    fn broken(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
        match (record, event) {
            (Some(record), Event::Sweep) if matches!(record.state, State::Running { .. }) => {
                transition(Some(record), event, record.deadline())
            }
            _ => transition(record, event, now),
        }
    }
    assert!(found(broken).contains(&LEASE_IS_RESPECTED));
}

/// A store that does not compare revisions accepts late writes.
#[test]
fn a_store_that_compares_nothing() {
    let model = Protocol { compares: false, forgets_revisions: false, ..Protocol::new(2, 1, 1) };
    let found = model.explore().expect_err("the model noticed nothing");
    let noticed = [STALE_CHANGES_NOTHING, COMPLETED_STAYS, NUMBER_IS_UNIQUE, ONE_EFFECT, LEASE_IS_RESPECTED];
    assert!(found.iter().any(|property| noticed.contains(property)), "{found:?}");
}

/// Returns what the model finds with this function for what a call means.
fn found_by_finding(broken: Find) -> Vec<&'static str> {
    let model = Protocol { finding: broken, ..Protocol::new(2, 1, 1) };
    model.explore().expect_err("the model noticed nothing")
}

/// A call without an answer that releases the key lets the operation run again.
#[test]
fn a_finding_that_takes_silence_for_a_refusal() {
    fn broken(
        owner: Owner,
        policy: &Policy,
        undecided: bool,
        outcomes: &Outcomes,
        called: Called,
    ) -> Finding {
        match called {
            Called::Failed { .. } => Finding::Release,
            Called::Answered { .. } => finding(owner, policy, undecided, outcomes, called),
        }
    }
    let found = found_by_finding(broken);
    assert!(found.contains(&ONE_EFFECT) || found.contains(&NO_IS_TRUE), "{found:?}");
}

/// A status that does not say whether the upstream acted, taken for one that says that it did not.
#[test]
fn a_finding_that_takes_any_error_for_a_refusal() {
    fn broken(
        owner: Owner,
        policy: &Policy,
        undecided: bool,
        outcomes: &Outcomes,
        called: Called,
    ) -> Finding {
        match called {
            Called::Answered { status: 500.., .. } => Finding::Release,
            called => finding(owner, policy, undecided, outcomes, called),
        }
    }
    let found = found_by_finding(broken);
    assert!(found.contains(&ONE_EFFECT) || found.contains(&NO_IS_TRUE), "{found:?}");
}

/// A refusal that is stored as the response says "executed" of an operation that was not.
#[test]
fn a_finding_that_completes_with_a_refusal() {
    fn broken(
        owner: Owner,
        policy: &Policy,
        undecided: bool,
        outcomes: &Outcomes,
        called: Called,
    ) -> Finding {
        match called {
            Called::Answered { status, retained, .. } => {
                Finding::Complete(ResponseRef { id: owner, status, retained })
            }
            Called::Failed { .. } => finding(owner, policy, undecided, outcomes, called),
        }
    }
    let found = found_by_finding(broken);
    assert!(found.contains(&YES_IS_TRUE), "{found:?}");
}
