use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::join;
use tokio::time::advance;

use super::*;
use crate::clock::SteadyClock;
use crate::protocol::{
    BodyScheme, Claim, ClaimVerdict, Finding, Fingerprint, Labels, OwnerVerdict, PathScheme, Policy, Reason,
    Report, Scheme, Scope, StoredResponse,
};
use crate::store::memory::MemoryStore;

const OWNER: Owner = Owner([1; 16]);
const LEASE: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(30);
const ROUTE: &str = "settle";

fn new_owner() -> Owner {
    Owner([9; 16])
}

/// A settler over a store with one unknown outcome.
struct Unknown {
    settler: Settler,
    id: RecordId,
    record: Record,
}

impl Unknown {
    async fn under(on_unknown: OnUnknown) -> Self {
        let store = MemoryStore::new(Arc::new(SteadyClock::starting(Timestamp(0))));
        let ledger = Ledger::new(Arc::new(store), Duration::from_secs(60));
        let settler = Settler::new(ledger, Metrics::new(), Keeper::default(), new_owner);
        let id = RecordId::of(ROUTE, &Scope::anonymous(), &Key::parse(b"key").expect("a key"));
        let claimed = settler.ledger.claim(id, claim(on_unknown)).await.expect("a claim").verdict;
        assert!(matches!(claimed, ClaimVerdict::Won(_)));
        let lost = Report { owner: OWNER, n: 1, finding: Finding::Lose(Reason::ResponseTimeout) };
        let held = settler.ledger.apply(id, None, &lost, None).await.expect("a report").verdict;
        let OwnerVerdict::Unknown(record) = held else { panic!("{held:?}") };
        Self { settler, id, record }
    }

    fn with(self, witness: Says) -> Self {
        self.settler.consult(Keeper::default(), Witnesses::only(ROUTE, witness));
        self
    }

    /// Returns the end of the deadline: from then on nothing can be under way.
    fn quiet_at(&self) -> Timestamp {
        self.record.updated_at.plus(LEASE + CALL)
    }

    async fn settle_at(&self, now: Timestamp) -> Settlement {
        self.settler.settle(self.id, &self.record, now).await
    }

    async fn stored(&self) -> Record {
        self.settler.ledger.read(self.id).await.expect("a read").record.expect("a record")
    }
}

fn claim(on_unknown: OnUnknown) -> Claim {
    let day = Duration::from_hours(24);
    let scheme = Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent };
    Claim {
        owner: OWNER,
        namespace: ROUTE.into(),
        route: ROUTE.into(),
        fingerprint: Fingerprint { scheme: Arc::new(scheme), digest: [0; 32] },
        policy: Policy { on_unknown, lease: LEASE, response_timeout: CALL, ttl: day, tombstone_ttl: day },
        kept: None,
        labels: Labels::default(),
    }
}

/// A witness with one testimony, which counts its questions.
struct Says {
    testimony: Testimony,
    asked: Arc<AtomicUsize>,
}

impl Says {
    fn the(testimony: Testimony) -> Self {
        Self { testimony, asked: Arc::default() }
    }
}

impl Witness for Says {
    fn serves(&self, policy: OnUnknown) -> bool {
        policy == OnUnknown::Marker
    }

    fn ask<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, Testimony> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.testimony.clone()
        })
    }

    fn may_complete<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, Admission> {
        Box::pin(std::future::ready(Admission::Fenced))
    }

    fn fence<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, Fence> {
        Box::pin(std::future::ready(Fence::Closed))
    }
}

#[tokio::test]
async fn hold_changes_nothing() {
    let unknown = Unknown::under(OnUnknown::Hold).await;
    let late = unknown.quiet_at().plus(Duration::from_hours(1));
    assert_eq!(unknown.settle_at(late).await, Settlement::Unknown);
    let admitted = unknown.settler.may_complete(unknown.id, &unknown.record, 1).await;
    assert_eq!(admitted, Admission::Admitted);
    assert_eq!(unknown.settler.fence(unknown.id, &unknown.record, late).await, Fence::Absent);
    assert_eq!(unknown.stored().await, unknown.record);
}

#[tokio::test]
async fn an_execution_that_a_witness_knows_settles_its_record() {
    let found = StoredResponse { status: StatusCode::CREATED, headers: Vec::new(), body: Bytes::from("{}") };
    for response in [None, Some(found)] {
        let says = Says::the(Testimony::Executed(response.clone()));
        let unknown = Unknown::under(OnUnknown::Marker).await.with(says);
        let Settlement::Decided(decided) = unknown.settle_at(unknown.quiet_at()).await else {
            panic!("it is not decided")
        };
        assert_eq!(*decided, unknown.stored().await);
        match (decided.state, response) {
            (State::Settled { n: 1, .. }, None) => {}
            (State::Completed { n: 1, response, .. }, Some(_)) => assert_eq!(response.id, new_owner()),
            (state, _) => panic!("{state:?}"),
        }
    }
}

#[tokio::test]
async fn an_execution_that_did_not_act_clears_its_record() {
    for fenced in [false, true] {
        let says = Says::the(Testimony::NotExecuted { fenced });
        let unknown = Unknown::under(OnUnknown::Marker).await.with(says);
        let Settlement::Decided(decided) = unknown.settle_at(unknown.quiet_at()).await else {
            panic!("it is not decided")
        };
        assert_eq!(decided.state, State::Cleared { owner: OWNER, n: 1, undecided: !fenced });
        assert_eq!(
            unknown.settle_at(unknown.quiet_at()).await,
            Settlement::Decided(decided),
            "asked a moment ago"
        );
    }
}

#[tokio::test]
async fn nothing_is_asked_before_the_deadline() {
    let says = Says::the(Testimony::NotExecuted { fenced: true });
    let asked = Arc::clone(&says.asked);
    let unknown = Unknown::under(OnUnknown::Marker).await.with(says);
    let before = Timestamp(unknown.quiet_at().0 - 1);
    assert_eq!(unknown.settle_at(before).await, Settlement::Unknown);
    assert_eq!((asked.load(Ordering::SeqCst), unknown.stored().await), (0, unknown.record.clone()));
    // The upstream has answered, so there is nothing to wait for.
    assert!(unknown.settler.settle_answered(unknown.id, OWNER, 1).await.expect("the store answers"));
    assert!(
        !unknown.settler.settle_answered(unknown.id, OWNER, 1).await.expect("the store answers"),
        "decided"
    );
}

#[tokio::test(start_paused = true)]
async fn many_attempts_ask_once_and_a_later_one_asks_again() {
    let says = Says::the(Testimony::Undecided("a test".into()));
    let asked = Arc::clone(&says.asked);
    let unknown = Unknown::under(OnUnknown::Marker).await.with(says);
    let at = unknown.quiet_at();
    join!(unknown.settle_at(at), unknown.settle_at(at), unknown.settle_at(at));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    advance(Duration::from_secs(1)).await;
    assert_eq!(unknown.settle_at(at).await, Settlement::Unknown);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_repeated_execution_needs_its_window_and_no_evidence() {
    let window = Duration::from_secs(100);
    let mut unknown = Unknown::under(OnUnknown::Retry { window: Some(window) }).await;
    let begin = unknown.record.created_at;
    // An operator's decision has dropped the first attempt's bytes, and was taken back.
    assert_eq!(unknown.settle_at(begin).await, Settlement::Unknown);
    assert!(!unknown.settler.may_settle(&unknown.record, begin));
    unknown.record.kept = Some(b"kept".as_slice().into());
    assert_eq!(unknown.settle_at(begin).await, Settlement::MayRunAgain);
    assert_eq!(unknown.settle_at(begin.plus(window - CALL)).await, Settlement::Unknown);
}

#[tokio::test]
async fn a_record_without_a_witness_here_is_held() {
    for policy in [OnUnknown::Probe, OnUnknown::Marker] {
        let unknown = Unknown::under(policy).await;
        assert_eq!(unknown.settle_at(unknown.quiet_at()).await, Settlement::Unknown);
        // The table that would show a fence is not known here.
        let may = unknown.settler.may_complete(unknown.id, &unknown.record, 1).await;
        assert_eq!(may == Admission::Admitted, policy == OnUnknown::Probe);
        assert!(!unknown.settler.may_settle(&unknown.record, unknown.quiet_at()));
        let fence = unknown.settler.fence(unknown.id, &unknown.record, unknown.quiet_at()).await;
        assert_eq!(matches!(fence, Fence::Unanswered(_)), policy == OnUnknown::Marker);
    }
    // A witness of another policy says nothing about this record.
    let says = Says::the(Testimony::NotExecuted { fenced: true });
    let unknown = Unknown::under(OnUnknown::Probe).await.with(says);
    assert_eq!(unknown.settle_at(unknown.quiet_at()).await, Settlement::Unknown);
}

#[tokio::test]
async fn what_was_settled_is_counted_with_the_time_it_took() {
    let unknown = Unknown::under(OnUnknown::Marker).await.with(Says::the(Testimony::Executed(None)));
    unknown.settle_at(unknown.quiet_at()).await;
    let text = unknown.settler.metrics.encode();
    for line in [
        "oncegate_settled_total{route=\"settle\",by=\"marker\",outcome=\"executed\"} 1",
        "oncegate_settle_answers_total{route=\"settle\",answer=\"executed\"} 1",
        "oncegate_settle_duration_seconds_count{route=\"settle\",by=\"marker\"} 1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}
