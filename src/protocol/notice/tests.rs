use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::protocol::events::{Event, Next, transition};
use crate::protocol::{
    BodyScheme, Claim, Doubt, Evidence, Executed, Fingerprint, Labels, OnUnknown, PathScheme, Policy,
    Resolution, ResponseRef, Scheme,
};

const T0: Timestamp = Timestamp(1_000_000);
const LATER: Duration = Duration::from_secs(60);
const ME: Owner = Owner([1; 16]);
const OTHER: Owner = Owner([2; 16]);
const RESPONSE: ResponseRef = ResponseRef { id: ME, status: 201, retained: true };

fn claim(owner: Owner) -> Claim {
    let scheme = Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
    Claim {
        owner,
        namespace: "charges".into(),
        route: "create-charge".into(),
        fingerprint: Fingerprint { scheme, digest: [0; 32] },
        policy: Policy {
            on_unknown: OnUnknown::Probe,
            lease: LATER,
            response_timeout: LATER,
            ttl: 10 * LATER,
            tombstone_ttl: 10 * LATER,
        },
        kept: None,
        labels: Labels::default(),
    }
}

fn record(state: State) -> Record {
    Record { state, ..claim(ME).first(T0) }
}

fn running(n: u32, undecided: bool) -> Record {
    record(State::Running { owner: ME, n, undecided })
}

fn unknown(n: u32) -> Record {
    record(State::Unknown { owner: ME, n, undecided: false, reason: Reason::Status(503), quiet_at: T0 })
}

/// Returns the notice of `event` on `before` at `now`, decided as the protocol decides that step.
fn told(before: &Record, event: &Event, now: Timestamp) -> Option<Notice> {
    match transition(Some(before), event, now).next {
        Next::Unchanged => panic!("{event:?} changes nothing"),
        Next::Write(after) => {
            let notice = of(event.kind(), Some(before), Some(&after));
            if notice.as_ref().is_some_and(|notice| notice.kind == Kind::Unknown) {
                assert_eq!(Notice::of_unknown(&after), notice, "the record alone has the same notice");
            }
            notice
        }
        Next::Remove => of(event.kind(), Some(before), None),
    }
}

fn summary(notice: Option<Notice>) -> Option<(Kind, u32, Option<u16>, Option<Reason>)> {
    notice.map(|notice| (notice.kind, notice.execution, notice.status, notice.reason))
}

const COMPLETE: Event = Event::Complete { owner: ME, n: 2, response: RESPONSE };
const RELEASE: Event = Event::Release { owner: ME, n: 2 };
const LOSE: Event = Event::Lose { owner: ME, n: 2, reason: Reason::ResponseTimeout };

#[test]
fn each_outcome_is_told_with_what_applies_to_it() {
    let (n, lost, over) = (2, Some(Reason::ResponseTimeout), Some(Reason::LeaseOver));
    let settle = |response| Event::Settle { owner: ME, n, evidence: Evidence::Executed(response) };
    let not_executed = Event::Settle { owner: ME, n, evidence: Evidence::NotExecuted { fenced: true } };
    let resolve = Event::Resolve;
    let doubt = Doubt { undecided: false, reason: Reason::ResponseTimeout, quiet_at: T0 };
    let resolved = |state| Record { doubt: Some(Box::new(doubt)), ..record(state) };
    let cleared = State::Cleared { owner: ME, n, undecided: false };
    let late = T0.plus(LATER);
    for (before, event, now, expected) in [
        (running(n, false), COMPLETE, T0, (Kind::Completed, n, Some(201), None)),
        (unknown(n), COMPLETE, T0, (Kind::Completed, n, Some(201), None)),
        (running(n, false), LOSE, T0, (Kind::Unknown, n, None, lost)),
        (running(n, false), Event::Sweep, late, (Kind::Unknown, n, None, over)),
        (running(n, false), Event::Claim(claim(OTHER)), late, (Kind::Unknown, n, None, over)),
        (running(n, true), RELEASE, T0, (Kind::Unknown, n, None, Some(Reason::Unreachable))),
        (running(n, false), RELEASE, T0, (Kind::Released, n, None, None)),
        (running(1, false), Event::Release { owner: ME, n: 1 }, T0, (Kind::Released, 1, None, None)),
        (unknown(1), Event::Release { owner: ME, n: 1 }, T0, (Kind::Released, 1, None, None)),
        (unknown(n), settle(None), T0, (Kind::Settled, n, None, None)),
        (unknown(n), settle(Some(RESPONSE)), T0, (Kind::Settled, n, Some(201), None)),
        (unknown(n), not_executed, T0, (Kind::Settled, n, None, None)),
        (unknown(n), resolve(Resolution::Executed(None)), T0, (Kind::Resolved, n, None, None)),
        (unknown(n), resolve(Resolution::Executed(Some(RESPONSE))), T0, (Kind::Resolved, n, Some(201), None)),
        (unknown(n), resolve(Resolution::NotExecuted { force: true }), T0, (Kind::Resolved, n, None, None)),
        (resolved(State::Settled { owner: ME, n }), Event::Reopen, T0, (Kind::Unknown, n, None, lost)),
        (resolved(cleared), Event::Reopen, T0, (Kind::Unknown, n, None, lost)),
    ] {
        let notice = told(&before, &event, now);
        assert_eq!(summary(notice.clone()), Some(expected), "{event:?} on {:?}", before.state);
        let notice = notice.expect("a notice");
        assert_eq!((&*notice.namespace, &*notice.route), ("charges", "create-charge"));
    }
}

#[test]
fn only_an_unknown_outcome_expires() {
    let reason = Some(Reason::Status(503));
    let (retired, forgotten) = (T0.plus(10 * LATER), T0.plus(20 * LATER));
    for now in [retired, forgotten] {
        let notice = told(&unknown(2), &Event::Sweep, now);
        assert_eq!(summary(notice), Some((Kind::Expired, 2, None, reason)), "{now:?}");
    }
    let replaced = told(&unknown(2), &Event::Claim(claim(OTHER)), forgotten);
    assert_eq!(summary(replaced), Some((Kind::Expired, 2, None, reason)));
    for known in [
        record(State::Completed { owner: ME, n: 2, response: RESPONSE }),
        record(State::Settled { owner: ME, n: 2 }),
        record(State::Cleared { owner: ME, n: 2, undecided: false }),
    ] {
        assert_eq!(told(&known, &Event::Sweep, retired), None);
        assert_eq!(told(&known, &Event::Sweep, forgotten), None);
    }
    let tombstone = record(State::Expired { n: 2, executed: Executed::Unknown });
    assert_eq!(told(&tombstone, &Event::Sweep, forgotten), None, "it was told when it expired");
}

#[test]
fn beginnings_renewals_and_deletions_are_not_told() {
    assert_eq!(of(StepKind::Claim, None, Some(&running(1, false))), None);
    assert_eq!(told(&running(2, false), &Event::Renew { owner: ME, n: 2 }, T0), None);
    let take_over = Event::TakeOver { owner: OTHER, after: ME, n: 2 };
    let retried = Policy { on_unknown: OnUnknown::Retry { window: None }, ..unknown(2).policy };
    assert_eq!(told(&Record { policy: retried, ..unknown(2) }, &take_over, T0), None);
    let cleared = record(State::Cleared { owner: ME, n: 2, undecided: false });
    assert_eq!(told(&cleared, &Event::Claim(claim(OTHER)), T0), None);
    assert_eq!(told(&record(State::Settled { owner: ME, n: 2 }), &Event::Delete, T0), None);
}

#[test]
fn a_mark_is_that_of_one_step_and_hides_the_token() {
    let notice = |before: &Record, event| told(before, event, T0).expect("a notice");
    let later = Record { revision: running(2, false).revision.next(), ..running(2, false) };
    let other = Record { state: State::Running { owner: OTHER, n: 2, undecided: false }, ..later.clone() };
    let by_other = Event::Lose { owner: OTHER, n: 2, reason: Reason::ResponseTimeout };
    let marks = BTreeSet::from([
        notice(&running(2, false), &LOSE).mark(),
        notice(&later, &LOSE).mark(),
        notice(&other, &by_other).mark(),
    ]);
    assert_eq!(marks.len(), 3);
    assert_eq!(notice(&later, &LOSE).mark(), notice(&later, &LOSE).mark(), "a step that is repeated");
    let id = RecordId::from_bytes(&[0xab; 20]).expect("twenty bytes");
    let event = notice(&running(2, false), &LOSE).id(id);
    let parts: Vec<&str> = event.split(':').collect();
    assert_eq!((parts[0], parts[1], parts[3]), (&*id.to_string(), "2", "unknown"));
    assert!(parts[2].len() == 16 && parts[2].bytes().all(|byte| byte.is_ascii_hexdigit()), "{event}");
    assert!(!event.contains("0101"), "{event}");
}
