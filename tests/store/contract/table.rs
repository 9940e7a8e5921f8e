//! Every row of the transition table, and every combination outside it: each possible state of a record,
//! under each event, sent by its owner and by others, compared with the pure function.

use oncegate::protocol::{
    BodyScheme, Claim, Evidence, Fingerprint, OnUnknown, PathScheme, Policy, Reason, Record, RecordId,
    Resolution, ResponseRef, Scheme, State,
};
use tokio::task::JoinSet;

use crate::bench::{Bench, STILL, claim, complete, id, owner, retained};
use crate::events::Event;

/// The owner of the execution in the record when the event comes.
const OWNER: u64 = 1;
/// The owner from which the execution was taken over.
const EARLIER: u64 = 2;
const STRANGER: u64 = 3;

pub async fn every_row_under_hold(bench: Bench) {
    every_row(bench, OnUnknown::Hold, &first_executions()).await;
}

pub async fn every_row_under_retry(bench: Bench) {
    let paths = [
        first_executions(),
        later_executions(
            vec![Event::TakeOver { owner: owner(OWNER), after: owner(EARLIER), n: 1 }],
            "unknown",
        ),
    ]
    .concat();
    every_row(bench, OnUnknown::Retry { window: None }, &paths).await;
}

pub async fn every_row_under_marker(bench: Bench) {
    let paths =
        [first_executions(), after_evidence(Policy { on_unknown: OnUnknown::Marker, ..STILL }, "unknown")]
            .concat();
    every_row(bench, OnUnknown::Marker, &paths).await;
}

pub async fn every_row_under_probe(bench: Bench) {
    let paths =
        [first_executions(), after_evidence(Policy { on_unknown: OnUnknown::Probe, ..STILL }, "cleared")]
            .concat();
    every_row(bench, OnUnknown::Probe, &paths).await;
}

async fn every_row(bench: Bench, on_unknown: OnUnknown, paths: &[(&'static str, Vec<Event>)]) {
    let policy = Policy { on_unknown, ..STILL };
    let (mut rows, mut number) = (JoinSet::new(), 0);
    for (state, path) in paths {
        for (at, event) in events(policy).into_iter().enumerate() {
            number += 1;
            let (bench, path) = (bench.clone(), path.clone());
            rows.spawn(row(bench, id(number), policy, state, path, at, event));
        }
    }
    while let Some(row) = rows.join_next().await {
        row.expect("a row that holds");
    }
}

/// Brings a record into `state` along `path`, compares each step as well, and then sends one event.
async fn row(
    bench: Bench,
    id: RecordId,
    policy: Policy,
    state: &'static str,
    path: Vec<Event>,
    at: usize,
    event: Event,
) {
    let first = if matches!(path.first(), Some(&Event::Lose { owner: lost, .. }) if lost == owner(EARLIER)) {
        EARLIER
    } else {
        OWNER
    };
    if state != "absent" {
        bench.won(id, owner(first), policy).await;
    }
    for step in path {
        bench.check(id, step).await;
    }
    let record = bench.read(id).await.record;
    assert_eq!(record.as_ref().map_or("absent", |record| record.state.name()), state, "row {at}");
    bench.check(id, aimed(event, record.as_ref())).await;
}

/// Returns the event with the number of the stored execution in place of 0.
fn aimed(event: Event, record: Option<&Record>) -> Event {
    let current = record.map_or(1, |record| record.state.n());
    let aim = |n| if n == 0 { current } else { n };
    match event {
        Event::Renew { owner, n } => Event::Renew { owner, n: aim(n) },
        Event::Complete { owner, n, response } => Event::Complete { owner, n: aim(n), response },
        Event::Release { owner, n } => Event::Release { owner, n: aim(n) },
        Event::Lose { owner, n, reason } => Event::Lose { owner, n: aim(n), reason },
        Event::TakeOver { owner, after, n } => Event::TakeOver { owner, after, n: aim(n) },
        Event::Settle { owner, n, evidence } => Event::Settle { owner, n: aim(n), evidence },
        other => other,
    }
}

fn lose(number: u64, n: u32) -> Event {
    Event::Lose { owner: owner(number), n, reason: Reason::Status(503) }
}

fn cleared() -> Event {
    Event::Resolve(Resolution::NotExecuted { force: true })
}

fn settled() -> Event {
    Event::Resolve(Resolution::Executed(None))
}

/// Returns the states that a first execution can reach, and the path to each of them from its claim.
fn first_executions() -> Vec<(&'static str, Vec<Event>)> {
    let dropped = ResponseRef { retained: false, ..retained(owner(OWNER)) };
    vec![
        ("absent", vec![]),
        ("running", vec![]),
        ("running", vec![Event::Renew { owner: owner(OWNER), n: 1 }]),
        ("completed", vec![complete(owner(OWNER), 1)]),
        ("completed", vec![Event::Complete { owner: owner(OWNER), n: 1, response: dropped }]),
        ("completed", vec![lose(OWNER, 1), complete(owner(OWNER), 1)]),
        (
            "completed",
            vec![lose(OWNER, 1), Event::Resolve(Resolution::Executed(Some(retained(owner(STRANGER)))))],
        ),
        ("settled", vec![lose(OWNER, 1), settled()]),
        ("unknown", vec![lose(OWNER, 1)]),
        ("cleared", vec![lose(OWNER, 1), cleared()]),
        ("unknown", vec![lose(OWNER, 1), cleared(), Event::Reopen]),
        ("unknown", vec![lose(OWNER, 1), settled(), Event::Reopen]),
        ("expired", vec![complete(owner(OWNER), 1), Event::Delete]),
    ]
}

/// Returns the states that only a second execution can reach, after the steps in `taken`. `released` is the
/// state after its release.
fn later_executions(taken: Vec<Event>, released: &'static str) -> Vec<(&'static str, Vec<Event>)> {
    let second = |mut then: Vec<Event>| {
        let mut path = vec![lose(EARLIER, 1)];
        path.extend(taken.iter().cloned());
        path.append(&mut then);
        path
    };
    vec![
        ("running", second(vec![])),
        ("unknown", second(vec![lose(OWNER, 2)])),
        (released, second(vec![Event::Release { owner: owner(OWNER), n: 2 }])),
        ("completed", second(vec![complete(owner(OWNER), 2)])),
        ("settled", second(vec![lose(OWNER, 2), settled()])),
    ]
}

/// Returns the states after evidence about the first execution, and those of the second execution. The
/// evidence is fenced, because without a fence it decides only once the call must be over.
fn after_evidence(policy: Policy, released: &'static str) -> Vec<(&'static str, Vec<Event>)> {
    let settle_of = |number, evidence| Event::Settle { owner: owner(number), n: 1, evidence };
    let settle = |evidence| settle_of(OWNER, evidence);
    let not_executed = Evidence::NotExecuted { fenced: true };
    let found = Some(retained(owner(STRANGER)));
    let mut paths = vec![
        ("cleared", vec![lose(OWNER, 1), settle(not_executed)]),
        ("settled", vec![lose(OWNER, 1), settle(Evidence::Executed(None))]),
        ("completed", vec![lose(OWNER, 1), settle(Evidence::Executed(found))]),
    ];
    paths.extend(later_executions(
        vec![settle_of(EARLIER, not_executed), Event::Claim(claim(owner(OWNER), policy))],
        released,
    ));
    paths
}

fn events(policy: Policy) -> Vec<Event> {
    let mut events = vec![
        Event::Sweep,
        Event::Delete,
        Event::Reopen,
        settled(),
        cleared(),
        Event::Resolve(Resolution::NotExecuted { force: false }),
        Event::Resolve(Resolution::Executed(Some(retained(owner(STRANGER))))),
        Event::TakeOver { owner: owner(STRANGER), after: owner(OWNER), n: 0 },
        Event::TakeOver { owner: owner(STRANGER), after: owner(EARLIER), n: 0 },
        Event::TakeOver { owner: owner(STRANGER), after: owner(OWNER), n: 7 },
        Event::Settle { owner: owner(OWNER), n: 0, evidence: Evidence::Executed(None) },
        Event::Settle {
            owner: owner(OWNER),
            n: 0,
            evidence: Evidence::Executed(Some(retained(owner(STRANGER)))),
        },
        Event::Settle { owner: owner(OWNER), n: 0, evidence: Evidence::NotExecuted { fenced: false } },
        Event::Settle { owner: owner(OWNER), n: 0, evidence: Evidence::NotExecuted { fenced: true } },
        Event::Settle { owner: owner(OWNER), n: 7, evidence: Evidence::Executed(None) },
        Event::Settle { owner: owner(STRANGER), n: 0, evidence: Evidence::Executed(None) },
        Event::Claim(claim(owner(OWNER), policy)),
        Event::Claim(claim(owner(STRANGER), policy)),
        Event::Claim(other_request(policy)),
        Event::Claim(other_scheme(policy)),
    ];
    for (number, n) in [(OWNER, 0), (OWNER, 7), (STRANGER, 0)] {
        let owner = owner(number);
        events.extend([
            Event::Renew { owner, n },
            complete(owner, n),
            Event::Complete { owner, n, response: ResponseRef { retained: false, ..retained(owner) } },
            Event::Release { owner, n },
            Event::Lose { owner, n, reason: Reason::ConnectionLost },
        ]);
    }
    events
}

fn other_request(policy: Policy) -> Claim {
    let claim = claim(owner(STRANGER), policy);
    let fingerprint = Fingerprint { digest: [8; 32], ..claim.fingerprint };
    Claim { fingerprint, ..claim }
}

fn other_scheme(policy: Policy) -> Claim {
    let claim = claim(owner(STRANGER), policy);
    let scheme = Scheme {
        body: BodyScheme::Json { ignore: vec!["/at".into()] },
        headers: Vec::new(),
        path: PathScheme::AsSent,
    };
    let fingerprint = Fingerprint { scheme: scheme.into(), ..claim.fingerprint };
    Claim { fingerprint, ..claim }
}

/// The paths must cover every state, so that no new state is left without a row.
#[test]
fn the_paths_reach_every_state() {
    let paths = first_executions();
    let reached = |name| paths.iter().any(|(state, _)| *state == name);
    let (owner, n, undecided) = (owner(1), 1, false);
    let (reason, quiet_at) = (Reason::Shutdown, Default::default());
    for state in [
        State::Running { owner, n, undecided },
        State::Completed { owner, n, response: retained(owner) },
        State::Settled { owner, n },
        State::Unknown { owner, n, undecided, reason, quiet_at },
        State::Cleared { owner, n, undecided },
        State::Expired { n, executed: oncegate::protocol::Executed::Yes },
    ] {
        assert!(reached(state.name()), "{}", state.name());
    }
}
