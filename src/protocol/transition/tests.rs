use std::sync::Arc;
use std::time::Duration;

use oncegate::clock::Timestamp;
use oncegate::protocol::{
    BodyScheme, Claim, Evidence, Executed, Fingerprint, Labels, OnUnknown, Owner, PathScheme, Policy, Reason,
    Record, Resolution, ResponseRef, Scheme, State,
};

use crate::protocol::events::{Event, Next, Refusal, Transition, Verdict, transition};

const LEASE: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(3600);
const TOMBSTONE: Duration = Duration::from_secs(7200);
const T0: Timestamp = Timestamp(1_000_000);

const ME: Owner = Owner([1; 16]);
const OTHER: Owner = Owner([2; 16]);
const MINE: ResponseRef = ResponseRef { id: ME, status: 201, retained: true };

fn claim_by(owner: Owner) -> Claim {
    claim_under(owner, OnUnknown::Hold)
}

fn claim_under(owner: Owner, on_unknown: OnUnknown) -> Claim {
    let scheme = Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
    Claim {
        owner,
        namespace: "charges".into(),
        route: "create-charge".into(),
        fingerprint: Fingerprint { scheme, digest: [0; 32] },
        policy: Policy {
            on_unknown,
            lease: LEASE,
            response_timeout: CALL,
            ttl: TTL,
            tombstone_ttl: TOMBSTONE,
        },
        kept: None,
        labels: Labels::default(),
    }
}

fn record(state: State) -> Record {
    Record { state, ..claim_by(ME).first(T0) }
}

fn running(undecided: bool) -> State {
    State::Running { owner: ME, n: 2, undecided }
}

fn unknown(undecided: bool) -> State {
    let quiet_at = T0.plus(LEASE).plus(CALL);
    State::Unknown { owner: ME, n: 2, undecided, reason: Reason::ResponseTimeout, quiet_at }
}

const COMPLETED: State = State::Completed { owner: ME, n: 2, response: MINE };
const SETTLED: State = State::Settled { owner: ME, n: 2 };
const CLEARED: State = State::Cleared { owner: ME, n: 2, undecided: false };
const MAYBE_CLEARED: State = State::Cleared { owner: ME, n: 2, undecided: true };

const RETRY: OnUnknown = OnUnknown::Retry { window: None };
const EVIDENCE: [Evidence; 4] = [
    Evidence::Executed(None),
    Evidence::Executed(Some(MINE)),
    Evidence::NotExecuted { fenced: true },
    Evidence::NotExecuted { fenced: false },
];

fn next(undecided: bool) -> State {
    State::Running { owner: OTHER, n: 3, undecided }
}

fn expired(executed: Executed) -> State {
    State::Expired { n: 2, executed }
}

fn all() -> Vec<State> {
    let undecided = [false, true];
    let mut states =
        vec![COMPLETED, SETTLED, CLEARED, MAYBE_CLEARED, expired(Executed::Yes), expired(Executed::Unknown)];
    states.extend(undecided.map(running));
    states.extend(undecided.map(unknown));
    states
}

fn unchanged(verdict: Verdict) -> Transition {
    Transition { next: Next::Unchanged, verdict }
}

/// Returns the effect of `event` on a record in `state` one second after it was written: the new state
/// (`None` if the record is gone), and the verdict.
fn step(state: State, event: &Event) -> (Option<State>, Verdict) {
    step_after(Duration::from_secs(1), state, event)
}

fn step_after(age: Duration, state: State, event: &Event) -> (Option<State>, Verdict) {
    let before = record(state);
    let now = T0.plus(age);
    let Transition { next, verdict } = transition(Some(&before), event, now);
    let after = match next {
        Next::Unchanged => Some(state),
        Next::Remove => None,
        Next::Write(after) => {
            assert_ne!(after.revision, before.revision, "a write makes a new revision");
            assert_eq!((&after.fingerprint, after.policy), (&before.fingerprint, before.policy));
            assert_eq!(after.created_at, before.created_at);
            Some(after.state)
        }
    };
    (after, verdict)
}

/// Asserts the effect of `event` in the states of `changes`, and that it changes no other state.
fn only(event: &Event, changes: &[(State, Option<State>, Verdict)]) {
    for state in all() {
        let (after, verdict) = step(state, event);
        match changes.iter().find(|(from, ..)| *from == state) {
            Some((_, to, said)) => assert_eq!((after, verdict), (*to, *said), "{event:?} {state:?}"),
            None => assert_eq!(after, Some(state), "{event:?} {state:?}"),
        }
    }
}

#[test]
fn a_claim_wins_what_is_absent_or_cleared() {
    let event = Event::Claim(claim_by(OTHER));
    let Transition { next: Next::Write(first), verdict } = transition(None, &event, T0) else {
        panic!("nothing to write");
    };
    assert_eq!(first.state, State::Running { owner: OTHER, n: 1, undecided: false });
    assert_eq!(verdict, Verdict::Won { n: 1 });
    let won = |state, undecided| (state, Some(next(undecided)), Verdict::Won { n: 3 });
    only(&event, &[won(CLEARED, false), won(MAYBE_CLEARED, true)]);
}

/// A damaged record may have the largest number, and its number does not go back from there.
#[test]
fn the_number_of_executions_never_goes_back() {
    let cleared = record(State::Cleared { owner: ME, n: u32::MAX, undecided: false });
    let claimed = transition(Some(&cleared), &Event::Claim(claim_by(OTHER)), T0);
    assert_eq!(claimed.verdict, Verdict::Won { n: u32::MAX });
    let State::Unknown { owner, undecided, reason, quiet_at, .. } = unknown(false) else { unreachable!() };
    let state = State::Unknown { owner, n: u32::MAX, undecided, reason, quiet_at };
    let retried = Record { state, ..claim_under(ME, RETRY).first(T0) };
    let event = Event::TakeOver { owner: OTHER, after: ME, n: u32::MAX };
    assert_eq!(transition(Some(&retried), &event, T0).verdict, Verdict::Won { n: u32::MAX });
}

#[test]
fn a_claim_is_told_how_everything_else_stands() {
    let event = Event::Claim(claim_by(OTHER));
    for (state, said) in [
        (running(false), Verdict::InFlight),
        (unknown(false), Verdict::Unknown),
        (COMPLETED, Verdict::Replay(MINE)),
        (SETTLED, Verdict::Settled),
        (expired(Executed::Yes), Verdict::Expired(Executed::Yes)),
        (expired(Executed::Unknown), Verdict::Expired(Executed::Unknown)),
    ] {
        assert_eq!(step(state, &event), (Some(state), said));
    }
}

/// The answer to the owner's first claim was lost.
#[test]
fn a_claim_wins_again_for_the_same_owner() {
    let event = Event::Claim(claim_by(ME));
    assert_eq!(step(running(true), &event), (Some(running(true)), Verdict::Won { n: 2 }));
    // The claim also wins after the lease is over, as long as no write has let it lapse.
    assert_eq!(step_after(LEASE * 2, running(false), &event), (Some(running(false)), Verdict::Won { n: 2 }));
}

#[test]
fn a_different_request_is_told_so_and_changes_nothing() {
    let mut other = claim_by(OTHER);
    other.fingerprint.digest = [1; 32];
    let mut scheme = claim_by(OTHER);
    scheme.fingerprint.scheme = Arc::new(Scheme {
        body: BodyScheme::Json { ignore: Vec::new() },
        headers: Vec::new(),
        path: PathScheme::AsSent,
    });
    for state in all() {
        // Requests are compared only once the outcome is decided: a release may leave the key to another
        // request.
        let (mismatch, otherwise) = match state {
            State::Running { .. } => (Verdict::InFlight, Verdict::InFlight),
            _ => (Verdict::Mismatch, Verdict::OtherScheme),
        };
        assert_eq!(step(state, &Event::Claim(other.clone())), (Some(state), mismatch));
        assert_eq!(step(state, &Event::Claim(scheme.clone())), (Some(state), otherwise));
    }
}

#[test]
fn only_the_owner_of_the_running_execution_renews() {
    let renewals =
        [false, true].map(|undecided| (running(undecided), Some(running(undecided)), Verdict::Renewed));
    only(&Event::Renew { owner: ME, n: 2 }, &renewals);
    let late = Event::Renew { owner: ME, n: 2 };
    assert_eq!(step_after(LEASE * 3, running(false), &late).1, Verdict::Renewed);
}

#[test]
fn only_its_owner_completes_an_execution_and_only_once() {
    let completes = |state| (state, Some(COMPLETED), Verdict::Stored);
    let states = [
        running(false),
        running(true),
        unknown(false),
        unknown(true),
        SETTLED,
        CLEARED,
        MAYBE_CLEARED,
        COMPLETED,
    ];
    only(&Event::Complete { owner: ME, n: 2, response: MINE }, &states.map(completes));
    let resolved = ResponseRef { id: OTHER, ..MINE };
    let by_operator = State::Completed { owner: ME, n: 2, response: resolved };
    let event = Event::Complete { owner: ME, n: 2, response: MINE };
    assert_eq!(step(by_operator, &event), (Some(by_operator), Verdict::Lost));
}

#[test]
fn a_release_frees_the_key_unless_something_is_undecided() {
    let lost = State::Unknown {
        owner: ME,
        n: 2,
        undecided: true,
        reason: Reason::Unreachable,
        quiet_at: T0.plus(LEASE).plus(CALL),
    };
    only(
        &Event::Release { owner: ME, n: 2 },
        &[
            (running(false), Some(CLEARED), Verdict::Released),
            (unknown(false), Some(CLEARED), Verdict::Released),
            (running(true), Some(lost), Verdict::StillUnknown),
            (unknown(true), Some(unknown(true)), Verdict::StillUnknown),
            (CLEARED, Some(CLEARED), Verdict::Released),
            (MAYBE_CLEARED, Some(MAYBE_CLEARED), Verdict::StillUnknown),
        ],
    );
    let first = State::Running { owner: ME, n: 1, undecided: false };
    let event = Event::Release { owner: ME, n: 1 };
    assert_eq!(step(first, &event), (None, Verdict::Released));
    // The answer to the release was lost, so the release is repeated.
    assert_eq!(transition(None, &event, T0), unchanged(Verdict::Released));
    let later = Event::Release { owner: ME, n: 2 };
    assert_eq!(transition(None, &later, T0), unchanged(Verdict::Lost));
}

#[test]
fn losing_leaves_an_unknown_outcome_and_when_it_will_be_quiet() {
    let loses = |undecided| (running(undecided), Some(unknown(undecided)), Verdict::Held);
    only(&Event::Lose { owner: ME, n: 2, reason: Reason::ResponseTimeout }, &[loses(false), loses(true)]);
}

/// An owner that is not the owner of the last execution writes nothing.
#[test]
fn a_stale_owner_changes_nothing() {
    for (owner, n) in [(OTHER, 2), (ME, 1), (ME, 3)] {
        let response = ResponseRef { id: owner, ..MINE };
        for event in [
            Event::Renew { owner, n },
            Event::Complete { owner, n, response },
            Event::Release { owner, n },
            Event::Lose { owner, n, reason: Reason::ConnectionLost },
        ] {
            for state in all() {
                assert_eq!(step(state, &event), (Some(state), Verdict::Lost), "{event:?} {state:?}");
            }
        }
    }
}

#[test]
fn a_lease_lapses_when_it_is_over_and_not_before() {
    let almost = LEASE - Duration::from_millis(1);
    assert_eq!(step_after(almost, running(false), &Event::Sweep), (Some(running(false)), Verdict::Nothing));
    let event = Event::Claim(claim_by(OTHER));
    assert_eq!(step_after(almost, running(false), &event), (Some(running(false)), Verdict::InFlight));
    for (event, said) in [(Event::Sweep, Verdict::Lapsed), (event, Verdict::Unknown)] {
        let (after, verdict) = step_after(LEASE, running(true), &event);
        assert_eq!(verdict, said);
        let quiet = T0.plus(LEASE).plus(CALL);
        assert!(
            matches!(after, Some(State::Unknown { owner: ME, n: 2, undecided: true, reason: Reason::LeaseOver, quiet_at })
                if quiet_at == quiet),
            "{after:?}"
        );
    }
}

/// A running record never expires, and the tombstone of an unknown outcome says unknown.
#[test]
fn retention_ends_in_a_tombstone_that_remembers_what_is_known() {
    let forever = TTL + TOMBSTONE + LEASE;
    assert_eq!(step_after(forever, running(false), &Event::Sweep).1, Verdict::Lapsed);
    for (state, executed) in [
        (COMPLETED, Executed::Yes),
        (SETTLED, Executed::Yes),
        (unknown(false), Executed::Unknown),
        (CLEARED, Executed::Unknown),
    ] {
        assert_eq!(step(state, &Event::Sweep), (Some(state), Verdict::Nothing));
        assert_eq!(step_after(TTL, state, &Event::Sweep), (Some(expired(executed)), Verdict::Retired));
        // A claim before the sweep gets the same answer.
        let event = Event::Claim(claim_by(OTHER));
        assert_eq!(step_after(TTL, state, &event).1, Verdict::Expired(executed));
        assert_eq!(step_after(TTL + TOMBSTONE, state, &Event::Sweep), (None, Verdict::Forgotten));
        let (after, verdict) = step_after_end(state, &event);
        assert_eq!(
            (after, verdict),
            (State::Running { owner: OTHER, n: 1, undecided: false }, Verdict::Won { n: 1 })
        );
    }
}

/// Returns the effect of a claim on a record that has ended, but that no sweep has removed.
fn step_after_end(state: State, event: &Event) -> (State, Verdict) {
    let before = record(state);
    let Transition { next, verdict } = transition(Some(&before), event, T0.plus(TTL + TOMBSTONE));
    let Next::Write(after) = next else { panic!("nothing to write") };
    assert_ne!(after.revision, before.revision);
    (after.state, verdict)
}

#[test]
fn no_tombstone_drops_only_what_is_known() {
    let bare = |state| {
        let mut bare = record(state);
        bare.policy.tombstone_ttl = Duration::ZERO;
        transition(Some(&bare), &Event::Sweep, T0.plus(TTL)).verdict
    };
    assert_eq!(bare(COMPLETED), Verdict::Forgotten);
    assert_eq!(bare(unknown(false)), Verdict::Retired);
}

#[test]
fn an_operator_decides_what_is_unknown_and_nothing_else() {
    let answer = ResponseRef { id: OTHER, status: 200, retained: true };
    let completed = State::Completed { owner: ME, n: 2, response: answer };
    let to = |state| [false, true].map(|undecided| (unknown(undecided), Some(state), Verdict::Resolved));
    only(&Event::Resolve(Resolution::Executed(Some(answer))), &to(completed));
    only(&Event::Resolve(Resolution::Executed(None)), &to(SETTLED));
    only(&Event::Resolve(Resolution::NotExecuted { force: true }), &to(CLEARED));
    let not_executed = Event::Resolve(Resolution::NotExecuted { force: false });
    only(&not_executed, &[]);
    let until = T0.plus(LEASE).plus(CALL);
    assert_eq!(step(unknown(false), &not_executed).1, Verdict::Refused(Refusal::TooEarly { until }));
    assert_eq!(step_after(LEASE + CALL, unknown(false), &not_executed), (Some(CLEARED), Verdict::Resolved));
    assert_eq!(step(COMPLETED, &not_executed).1, Verdict::Refused(Refusal::WrongState("completed")));
    assert_eq!(transition(None, &not_executed, T0).verdict, Verdict::Refused(Refusal::Absent));
}

/// Returns the record after an operator's decision on an unknown outcome.
fn resolved(resolution: Resolution) -> Record {
    let unknown = record(unknown(true));
    after(&unknown, &Event::Resolve(resolution), T0.plus(LEASE)).expect("a decision")
}

#[test]
fn an_operator_takes_a_decision_back_and_the_outcome_is_as_unknown_as_before() {
    for resolution in [Resolution::Executed(None), Resolution::NotExecuted { force: true }] {
        let decided = resolved(resolution);
        let reopened = after(&decided, &Event::Reopen, T0.plus(2 * LEASE)).expect("a change");
        assert_eq!((reopened.state, reopened.doubt), (unknown(true), None), "{resolution:?}");
        let late = T0.plus(LEASE + TTL);
        assert_eq!(after(&decided, &Event::Reopen, late), None, "its time is over");
    }
}

#[test]
fn no_other_decision_is_taken_back() {
    only(&Event::Reopen, &[]);
    assert_eq!(transition(None, &Event::Reopen, T0).verdict, Verdict::Refused(Refusal::Absent));
    let with_response = resolved(Resolution::Executed(Some(MINE)));
    assert_eq!(after(&with_response, &Event::Reopen, T0.plus(LEASE)), None, "clients may have the response");
    // Each step that follows the decision ends the possibility.
    let cleared = resolved(Resolution::NotExecuted { force: true });
    let running = after(&cleared, &Event::Claim(claim_by(OTHER)), T0.plus(LEASE)).expect("a claim");
    let released =
        after(&running, &Event::Release { owner: OTHER, n: 3 }, T0.plus(LEASE)).expect("a release");
    for later in [running, released] {
        assert_eq!(later.doubt, None);
        assert_eq!(after(&later, &Event::Reopen, T0.plus(LEASE)), None, "{:?}", later.state);
    }
}

#[test]
fn only_what_is_executed_can_be_deleted_and_the_key_stays_used() {
    let tombstone = |state| (state, Some(expired(Executed::Yes)), Verdict::Deleted);
    only(&Event::Delete, &[tombstone(COMPLETED), tombstone(SETTLED)]);
    assert_eq!(step(unknown(false), &Event::Delete).1, Verdict::Refused(Refusal::WrongState("unknown")));
}

#[test]
fn nothing_takes_over_what_is_held() {
    let after = |state, undecided| (state, Some(next(undecided)), Verdict::Won { n: 3 });
    only(
        &Event::TakeOver { owner: OTHER, after: ME, n: 2 },
        &[after(CLEARED, false), after(MAYBE_CLEARED, true)],
    );
    for evidence in EVIDENCE {
        only(&Event::Settle { owner: ME, n: 2, evidence }, &[]);
    }
}

/// Returns a record of this policy with an unknown outcome.
fn held_under(on_unknown: OnUnknown) -> Record {
    let kept = Some(b"kept".as_slice().into());
    Record { state: unknown(false), kept, ..claim_under(ME, on_unknown).first(T0) }
}

/// Returns the state after the event, `None` if it changes nothing.
fn after(record: &Record, event: &Event, now: Timestamp) -> Option<Record> {
    match transition(Some(record), event, now).next {
        Next::Write(after) => Some(after),
        Next::Unchanged => None,
        Next::Remove => panic!("{event:?} removes {record:?}"),
    }
}

#[test]
fn under_retry_the_next_execution_takes_over() {
    let retried = held_under(RETRY);
    let next = after(&retried, &Event::TakeOver { owner: OTHER, after: ME, n: 2 }, T0).expect("a take-over");
    assert_eq!(next.state, State::Running { owner: OTHER, n: 3, undecided: true });
    assert_eq!(next.kept, retried.kept, "the next take-over needs it again");
    let stale = transition(Some(&retried), &Event::TakeOver { owner: OTHER, after: ME, n: 1 }, T0);
    assert_eq!(stale, unchanged(Verdict::Lost));
    let other = transition(Some(&retried), &Event::TakeOver { owner: OTHER, after: OTHER, n: 2 }, T0);
    assert_eq!(other, unchanged(Verdict::Lost), "an execution with other bytes may have got the number");
    for evidence in EVIDENCE {
        assert_eq!(after(&retried, &Event::Settle { owner: ME, n: 2, evidence }, T0), None);
    }
}

/// A call that begins last has the response timeout to end, and the upstream still knows its key then.
#[test]
fn a_window_ends_a_response_timeout_early() {
    let window = Duration::from_secs(100);
    let retried = held_under(OnUnknown::Retry { window: Some(window) });
    let take_over = Event::TakeOver { owner: OTHER, after: ME, n: 2 };
    let last = T0.plus(window - CALL);
    for (now, wins) in [(T0, true), (Timestamp(last.0 - 1), true), (last, false), (T0.plus(window), false)] {
        assert_eq!(after(&retried, &take_over, now).is_some(), wins, "{now}");
        assert_eq!(retried.may_be_settled(now), wins, "{now}");
    }
}

/// The window counts from the first claim, however often the record was written since.
#[test]
fn a_window_does_not_begin_anew() {
    let window = Duration::from_secs(100);
    let mut retried = held_under(OnUnknown::Retry { window: Some(window) });
    for (second, last, n) in [(30, ME, 2), (60, OTHER, 3)] {
        let now = T0.plus(Duration::from_secs(second));
        let take_over = Event::TakeOver { owner: OTHER, after: last, n };
        retried = after(&retried, &take_over, now).expect("a take-over");
        let lose = Event::Lose { owner: OTHER, n: n + 1, reason: Reason::ConnectionLost };
        retried = after(&retried, &lose, now).expect("an unknown outcome");
    }
    let late = T0.plus(Duration::from_secs(70));
    assert_eq!(after(&retried, &Event::TakeOver { owner: ME, after: OTHER, n: 4 }, late), None);
}

#[test]
fn evidence_decides_under_probe_and_marker() {
    let answer = ResponseRef { id: OTHER, status: 200, retained: true };
    for on_unknown in [OnUnknown::Probe, OnUnknown::Marker] {
        let (record, quiet) = (held_under(on_unknown), T0.plus(LEASE + CALL));
        for (evidence, state) in [
            (Evidence::Executed(None), SETTLED),
            (Evidence::Executed(Some(answer)), State::Completed { owner: ME, n: 2, response: answer }),
            (Evidence::NotExecuted { fenced: true }, CLEARED),
            (Evidence::NotExecuted { fenced: false }, MAYBE_CLEARED),
        ] {
            let settled =
                after(&record, &Event::Settle { owner: ME, n: 2, evidence }, quiet).expect("a settlement");
            // The gateway itself may run what was not executed.
            let kept = record.kept.clone().filter(|_| settled.state.name() == "cleared");
            assert_eq!((settled.state, settled.kept), (state, kept));
            let early = after(&record, &Event::Settle { owner: ME, n: 2, evidence }, T0);
            assert_eq!(early.is_some(), state != MAYBE_CLEARED, "a call can be under way until the deadline");
            for (owner, n) in [(ME, 1), (OTHER, 2)] {
                let other = Event::Settle { owner, n, evidence };
                assert_eq!(after(&record, &other, quiet), None, "another execution");
            }
        }
        assert_eq!(after(&record, &Event::TakeOver { owner: OTHER, after: ME, n: 2 }, T0), None);
    }
}

/// An execution that was not fenced can still act after a probe found nothing: a release must not free the
/// key.
#[test]
fn what_was_not_fenced_stays_undecided() {
    let quiet = T0.plus(LEASE + CALL);
    for (policy, fenced, released) in [
        (OnUnknown::Probe, true, "cleared"),
        (OnUnknown::Probe, false, "unknown"),
        // The number has no row in the marker table yet.
        (OnUnknown::Marker, true, "unknown"),
    ] {
        let settle = Event::Settle { owner: ME, n: 2, evidence: Evidence::NotExecuted { fenced } };
        let cleared = after(&held_under(policy), &settle, quiet).expect("a settlement");
        let again = Claim { kept: Some(b"new".as_slice().into()), ..claim_under(OTHER, policy) };
        let running = after(&cleared, &Event::Claim(again), quiet).expect("a claim that wins");
        assert_eq!(running.state, State::Running { owner: OTHER, n: 3, undecided: !fenced });
        let kept = if fenced { &b"new"[..] } else { &b"kept"[..] };
        assert_eq!(running.kept.as_deref(), Some(kept), "the request that may still act is asked about");
        let release = after(&running, &Event::Release { owner: OTHER, n: 3 }, quiet).expect("a release");
        assert_eq!(release.state.name(), released);
    }
}
