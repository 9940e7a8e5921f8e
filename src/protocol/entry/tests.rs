use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::protocol::{
    BodyScheme, Claim, Delete, Evidence, Finding, Fingerprint, History, Labels, Owner, PathScheme, Policy,
    Reason, Renew, Reopen, Report, Resolution, ResponseRef, Scheme, Settle, Signed, Step, Sweep, TakeOver,
    Transition, transition,
};

const T0: Timestamp = Timestamp(1_000_000);
const ME: Owner = Owner([1; 16]);
const OTHER: Owner = Owner([2; 16]);
const RESPONSE: ResponseRef = ResponseRef { id: ME, status: 201, retained: true };
const SECOND: Duration = Duration::from_secs(1);

fn claim(owner: Owner, on_unknown: OnUnknown) -> Claim {
    let scheme = Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
    Claim {
        owner,
        namespace: "charges".into(),
        route: "create-charge".into(),
        fingerprint: Fingerprint { scheme, digest: [0; 32] },
        policy: Policy {
            on_unknown,
            lease: 10 * SECOND,
            response_timeout: 10 * SECOND,
            ttl: 1000 * SECOND,
            tombstone_ttl: 1000 * SECOND,
        },
        kept: None,
        labels: Labels::default(),
    }
}

fn claimed(on_unknown: OnUnknown) -> Record {
    claim(ME, on_unknown).first(T0)
}

/// Returns the record after `step`, `seconds` after the first claim, as a store writes it.
fn then<S: Step>(record: &Record, step: &S, seconds: u32) -> Record {
    let now = T0.plus(seconds * SECOND);
    match transition(Some(record), step, now) {
        Transition::Write(next, _) => Record { updated_at: now, ..next },
        Transition::Unchanged(_) | Transition::Remove(_) => panic!("{step:?} writes no record"),
    }
}

fn report(owner: Owner, n: u32, finding: Finding) -> Report {
    Report { owner, n, finding }
}

/// Returns each entry: the seconds since the first claim, the number, the event, and the author.
fn told(record: &Record) -> Vec<(u64, u32, Event, String)> {
    let told = |entry: &Entry| {
        let at = entry.at.unwrap_or(record.updated_at).since(T0).as_secs();
        (at, entry.n, entry.event, entry.by.name().to_owned())
    };
    record.history.entries().iter().map(told).collect()
}

fn signed<S>(step: S, note: &str) -> Signed<S> {
    Signed { step, signature: Signature { by: "ops-1".into(), note: Some(note.into()) } }
}

#[test]
fn a_first_execution_that_completes_leaves_no_history() {
    let renewed = then(&claimed(OnUnknown::Hold), &Renew { owner: ME, n: 1 }, 3);
    let completed = then(&renewed, &report(ME, 1, Finding::Complete(RESPONSE)), 4);
    let expired = then(&completed, &Sweep, 2000);
    for record in [renewed, completed, expired] {
        assert_eq!(record.history, History::default(), "{:?}", record.state);
    }
}

#[test]
fn a_deleted_response_leaves_its_completion_in_the_history() {
    let completed = then(&claimed(OnUnknown::Hold), &report(ME, 1, Finding::Complete(RESPONSE)), 4);
    let deleted = then(&completed, &signed(Delete, ""), 9);
    assert_eq!(
        told(&deleted),
        [(4, 1, Event::Completed(201), "gateway".into()), (9, 1, Event::Deleted, "ops-1".into())]
    );
}

#[test]
fn an_unknown_outcome_and_the_decisions_about_it_are_told_with_their_authors() {
    let unknown = then(&claimed(OnUnknown::Hold), &Sweep, 10);
    let cleared = then(&unknown, &signed(Resolution::NotExecuted { force: true }, "no charge found"), 12);
    let reopened = then(&cleared, &signed(Reopen, "wrong record"), 13);
    let cleared = then(&reopened, &signed(Resolution::NotExecuted { force: false }, "now I looked"), 40);
    let running = then(&cleared, &claim(OTHER, OnUnknown::Hold), 41);
    let renewed = then(&running, &Renew { owner: OTHER, n: 2 }, 42);
    let completed = then(&renewed, &report(OTHER, 2, Finding::Complete(RESPONSE)), 43);
    let deleted = then(&completed, &signed(Delete, ""), 44);
    let (gateway, operator) = ("gateway".to_owned(), "ops-1".to_owned());
    let resolved = |forced| Event::Resolved { executed: false, forced };
    assert_eq!(
        told(&deleted),
        [
            (10, 1, Event::Unknown(Reason::LeaseOver), gateway.clone()),
            (12, 1, resolved(true), operator.clone()),
            (13, 1, Event::Reopened, operator.clone()),
            (40, 1, resolved(false), operator.clone()),
            (41, 2, Event::Claimed, gateway.clone()),
            (43, 2, Event::Completed(201), gateway),
            (44, 2, Event::Deleted, operator),
        ]
    );
    let notes: Vec<_> = deleted.history.entries().iter().filter_map(|entry| entry.note.as_deref()).collect();
    assert_eq!(notes, ["no charge found", "wrong record", "now I looked", ""]);
}

#[test]
fn evidence_and_later_executions_are_told() {
    for (policy, author) in [(OnUnknown::Probe, "probe"), (OnUnknown::Marker, "marker")] {
        let unknown = then(&claimed(policy), &report(ME, 1, Finding::Lose(Reason::Status(503))), 1);
        let evidence = Evidence::NotExecuted { fenced: true };
        let cleared = then(&unknown, &Settle { owner: ME, n: 1, evidence }, 2);
        let again = then(&cleared, &TakeOver { owner: OTHER, after: ME, n: 1 }, 3);
        let told = told(&again);
        assert_eq!(told[0], (1, 1, Event::Unknown(Reason::Status(503)), "gateway".into()));
        assert_eq!(told[1], (2, 1, Event::Settled { executed: false }, author.into()));
        assert_eq!(told[2], (3, 2, Event::Claimed, "gateway".into()));
    }
    let retried = claimed(OnUnknown::Retry { window: None });
    let unknown = then(&retried, &report(ME, 1, Finding::Lose(Reason::ConnectionLost)), 1);
    let again = then(&unknown, &TakeOver { owner: OTHER, after: ME, n: 1 }, 2);
    let still = then(&again, &report(OTHER, 2, Finding::Release), 3);
    let late = then(&still, &report(OTHER, 2, Finding::Complete(RESPONSE)), 4);
    let events: Vec<_> = told(&late).into_iter().map(|(_, _, event, _)| event).collect();
    let unreachable = Event::Unknown(Reason::Unreachable);
    let lost = Event::Unknown(Reason::ConnectionLost);
    assert_eq!(events, [lost, Event::Claimed, unreachable, Event::Completed(201)]);
}

/// A client that retries for days must not make the record grow without end.
#[test]
fn a_long_history_keeps_its_beginning_and_its_end() {
    let retried = claimed(OnUnknown::Retry { window: None });
    let mut record = then(&retried, &report(ME, 1, Finding::Lose(Reason::ConnectionLost)), 1);
    for n in 1..100_u32 {
        record = then(&record, &TakeOver { owner: ME, after: ME, n }, 2 * n);
        record = then(&record, &report(ME, n + 1, Finding::Lose(Reason::ConnectionLost)), 2 * n + 1);
    }
    let numbers: Vec<_> = record.history.entries().iter().map(|entry| entry.n).collect();
    assert_eq!(numbers.len(), History::MAX);
    assert_eq!((&numbers[..4], numbers[4], numbers[31]), (&[1, 2, 2, 3][..], 87, 100));
    assert_eq!(record.history.left_out(), 199 - 32);
    let entries = record.history.entries();
    assert!(entries[..31].iter().all(|entry| entry.at.is_some()) && entries[31].at.is_none());
}
