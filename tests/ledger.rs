//! The gateway's layer when the store fails it: between the layer and a real store stands one that
//! loses answers, refuses, or falls silent at the moment the test says.

use std::collections::VecDeque;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use oncegate::clock::{Clock, ManualClock, SteadyClock, Timestamp};
use oncegate::config::{Config, Environment};
use oncegate::gateway::{Gateway, GatewayLayer, GatewayService, Stop};
use oncegate::protocol::{
    CallError, Event, Owner, Reason, Record, RecordId, Resolution, ResponseRef, Revision, Sent,
    StoredResponse, Verdict,
};
use oncegate::routes::RouteTable;
use oncegate::store::memory::MemoryStore;
use oncegate::store::{
    Change, Claimed, Due, Durability, Filter, Ledger, Page, Pending, Snapshot, Store, StoreError, Swap,
};
use oncegate::telemetry::Metrics;
use serde_json::Value;
use tokio::sync::watch;
use tower::{Layer, ServiceExt, service_fn};

/// What happens to one call of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It is done, and answered.
    None,
    /// It is not done, and the store says so.
    Refused,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is not done, and nobody says anything.
    Silence,
}

/// A store whose claims and writes meet the faults that stand in line for them.
struct FaultyStore {
    store: MemoryStore,
    claims: Mutex<VecDeque<Fault>>,
    writes: Mutex<VecDeque<Fault>>,
    calls: AtomicUsize,
}

impl FaultyStore {
    fn next(queue: &Mutex<VecDeque<Fault>>) -> Fault {
        let mut queue = queue.lock().expect("no panic while locked");
        // The last one stays: a store that is away is away until the test says otherwise.
        if queue.len() > 1 {
            queue.pop_front().unwrap_or(Fault::None)
        } else {
            queue.front().copied().unwrap_or(Fault::None)
        }
    }

    fn meet<'a, T: Send + 'a>(
        &'a self,
        fault: Fault,
        call: impl FnOnce() -> Pending<'a, T>,
    ) -> Pending<'a, T> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match fault {
            Fault::None => call(),
            Fault::Refused => Box::pin(ready(Err(StoreError::Unavailable("refused by the test".into())))),
            Fault::Silence => Box::pin(pending()),
            Fault::AnswerLost => {
                let done = call();
                Box::pin(async move {
                    drop(done.await);
                    Err(StoreError::Unclear("lost by the test".into()))
                })
            }
        }
    }
}

impl Store for FaultyStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        self.meet(Self::next(&self.claims), || self.store.claim(id, first))
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        self.meet(Self::next(&self.writes), || self.store.compare_and_set(id, expected, change))
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        self.store.read(id)
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        self.store.page(filter, limit)
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        self.store.due(limit)
    }

    fn ready(&self) -> Pending<'_, ()> {
        self.store.ready()
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        self.store.broken()
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }
}

/// What the inner service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    Charges,
    Unreachable,
    Panics,
}

/// The layer over a service that counts, on a store that can fail.
struct World {
    service: GatewayService,
    ledger: Ledger,
    store: Arc<FaultyStore>,
    executions: Arc<AtomicUsize>,
    gate: watch::Sender<bool>,
}

const TIMEOUT: Duration = Duration::from_millis(100);

impl World {
    fn new(inner: Inner) -> Self {
        Self::with_clock(inner, Arc::new(SteadyClock::starting(Timestamp::default())))
    }

    fn with_clock(inner: Inner, clock: Arc<dyn Clock>) -> Self {
        let text = "[upstreams.payments]\nurl = \"http://127.0.0.1:1\"\n[[routes]]\nname = \"pay\"\n\
                    path = \"/v1/{*rest}\"\nupstream = \"payments\"\nlease = \"500ms\"\n";
        let config = Config::parse(text, "test.toml", &Environment::default()).expect("a configuration");
        let store = Arc::new(FaultyStore {
            store: MemoryStore::new(clock),
            claims: Mutex::default(),
            writes: Mutex::default(),
            calls: AtomicUsize::new(0),
        });
        let ledger = Ledger::new(store.clone(), TIMEOUT);
        let routes = RouteTable::new(&config.routes, None).expect("routes");
        let gateway =
            Gateway::new(&config.server, routes, ledger.clone(), Metrics::new(), Stop::default(), new_owner);
        let executions = Arc::new(AtomicUsize::new(0));
        let (gate, open) = watch::channel(true);
        let counted = Arc::clone(&executions);
        let inner = service_fn(move |_: Request<Body>| {
            let (counted, mut open) = (Arc::clone(&counted), open.clone());
            async move {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                open.wait_for(|open| *open).await.expect("the world lives");
                match inner {
                    Inner::Charges => Ok(Response::new(Body::from(format!("charge {number}")))),
                    Inner::Unreachable => {
                        Err(CallError { sent: Sent::Never, reason: Reason::Unreachable, source: None })
                    }
                    Inner::Panics => panic!("on purpose"),
                }
            }
        });
        let service = GatewayLayer::new(Arc::new(gateway)).layer(inner);
        Self { service, ledger, store, executions, gate }
    }

    fn claims(&self, faults: impl Into<VecDeque<Fault>>) {
        *self.store.claims.lock().expect("no panic while locked") = faults.into();
    }

    fn writes(&self, faults: impl Into<VecDeque<Fault>>) {
        *self.store.writes.lock().expect("no panic while locked") = faults.into();
    }

    fn attempt(&self) -> impl Future<Output = Told> + Send + 'static {
        let service = self.service.clone();
        async move {
            let request = Request::post("/v1/charges").header("idempotency-key", "k-1").body(Body::from("a"));
            let response = service.oneshot(request.expect("a request")).await.expect("infallible");
            let (head, body) = response.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            Told { head, body: String::from_utf8(body.to_vec()).expect("text") }
        }
    }

    fn executions(&self) -> usize {
        self.executions.load(Ordering::SeqCst)
    }

    /// The only record, once it is in this state.
    async fn record_in(&self, state: &str) -> (RecordId, Record) {
        loop {
            drop(self.ledger.sweep().await);
            let page = self.ledger.page(Filter::default(), 10).await.expect("a page");
            match page.records.into_iter().next() {
                Some((id, record)) if record.state.name() == state => return (id, record),
                _ => tokio::task::yield_now().await,
            }
        }
    }

    async fn no_record(&self) {
        while !self.ledger.page(Filter::default(), 10).await.expect("a page").records.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

struct Told {
    head: http::response::Parts,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    fn problem(&self, status: u16, slug: &str, executed: &str) {
        let members: Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(members["type"], format!("urn:oncegate:problem:{slug}"), "{members}");
        assert_eq!((self.head.status.as_u16(), &members["executed"]), (status, &Value::from(executed)));
    }
}

fn new_owner() -> Owner {
    static LAST: AtomicU64 = AtomicU64::new(1);
    let mut token = [0; 16];
    token[..8].copy_from_slice(
        &LAST.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(),
    );
    Owner(token)
}

/// FAULTS 8: the store is away before the claim.
#[tokio::test]
async fn without_a_claim_nothing_is_sent() {
    let world = World::new(Inner::Charges);
    world.claims([Fault::Refused]);
    world.attempt().await.problem(503, "store-unavailable", "unknown");
    assert_eq!(world.executions(), 0);
    world.claims([]);
    assert_eq!(world.attempt().await.body, "charge 1");
}

/// FAULTS 27: the claim stands, its answer is lost; the owner repeats it and wins again.
#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_repeated() {
    let world = World::new(Inner::Charges);
    world.claims([Fault::AnswerLost, Fault::None]);
    assert_eq!(world.attempt().await.body, "charge 1");
    assert_eq!(world.executions(), 1);
    assert_eq!(world.attempt().await.header("idempotent-replayed"), Some("true"));
}

/// FAULTS 8 and 27: it stays unclear whether the claim stands. Nothing is sent, and it is released.
#[tokio::test]
async fn a_claim_that_stays_unclear_sends_nothing_and_is_released() {
    for fault in [Fault::AnswerLost, Fault::Silence] {
        let world = World::new(Inner::Charges);
        world.claims([Fault::AnswerLost, fault, Fault::None]);
        world.attempt().await.problem(503, "store-unavailable", "unknown");
        assert_eq!(world.executions(), 0);
        world.no_record().await;
        assert_eq!(world.attempt().await.body, "charge 1");
    }
}

/// FAULTS 9: the store is away when the answer comes; it is stored once the store is back.
#[tokio::test]
async fn an_answer_that_cannot_be_stored_is_given_and_stored_later() {
    for fault in [Fault::Refused, Fault::Silence, Fault::AnswerLost] {
        let world = World::new(Inner::Charges);
        world.writes([fault]);
        let told = world.attempt().await;
        assert_eq!((told.head.status, told.body.as_str()), (StatusCode::OK, "charge 1"), "{fault:?}");
        if fault != Fault::AnswerLost {
            assert_eq!(told.header("idempotency-stored"), Some("false"), "{fault:?}");
        }
        world.writes([]);
        world.record_in("completed").await;
        let retry = world.attempt().await;
        assert_eq!((retry.body.as_str(), retry.header("idempotent-replayed")), ("charge 1", Some("true")));
        assert_eq!(world.executions(), 1);
    }
}

/// FAULTS 28: the client is not told "not executed" while the release is not stored.
#[tokio::test]
async fn not_executed_is_said_only_of_a_release_that_is_stored() {
    let world = World::new(Inner::Unreachable);
    world.writes([Fault::Refused]);
    world.attempt().await.problem(503, "store-unavailable", "unknown");
    world.writes([]);
    world.no_record().await;
    world.attempt().await.problem(502, "upstream-unreachable", "no");
}

/// FAULTS 26: the record was decided while its owner was still at it.
#[tokio::test]
async fn an_owner_that_lost_its_record_answers_from_the_record() {
    let world = World::new(Inner::Charges);
    world.gate.send_replace(false);
    // Its renewals do not arrive, so its lease ends.
    world.writes([Fault::Refused]);
    let owner = tokio::spawn(world.attempt());
    world.record_in("running").await;
    let waiting = tokio::spawn(world.attempt());
    while world.ledger.page(Filter::default(), 1).await.expect("a page").records[0].1.state.name()
        == "running"
    {
        world.writes([Fault::None]);
        drop(world.ledger.sweep().await);
        world.writes([Fault::Refused]);
        tokio::task::yield_now().await;
    }
    world.writes([]);
    let (id, _) = world.record_in("unknown").await;
    let supplied =
        StoredResponse { status: StatusCode::ACCEPTED, headers: Vec::new(), body: "by hand".into() };
    let reference = ResponseRef { id: Owner([9; 16]), status: 202, retained: true };
    let event = Event::Resolve(Resolution::Executed(Some(reference)));
    let resolved = world.ledger.apply(id, None, &event, Some(&supplied)).await.expect("resolved");
    assert_eq!(resolved.verdict, Verdict::Resolved);
    world.gate.send_replace(true);
    for told in [owner.await.expect("owner"), waiting.await.expect("waiting"), world.attempt().await] {
        assert_eq!((told.head.status, told.body.as_str()), (StatusCode::ACCEPTED, "by hand"));
        assert_eq!(told.header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(world.executions(), 1);
}

/// FAULTS 12: the store's clock is far from everybody else's, and decides.
#[tokio::test]
async fn only_the_stores_clock_counts() {
    let clock = Arc::new(ManualClock::at(Timestamp(3_600_000)));
    let world = World::with_clock(Inner::Charges, clock.clone());
    assert_eq!(world.attempt().await.body, "charge 1");
    let (_, record) = world.record_in("completed").await;
    assert_eq!(record.updated_at, Timestamp(3_600_000));
    assert_eq!(world.attempt().await.header("idempotent-replayed"), Some("true"));
    clock.advance(Duration::from_secs(24 * 3600));
    world.attempt().await.problem(410, "key-expired", "yes");
    assert_eq!(world.executions(), 1);
}

/// FAULTS 10: a store that is slow for everybody costs nobody more than its timeout, and what is
/// refused leaves nothing running.
#[tokio::test]
async fn a_silent_store_is_given_up_in_time() {
    let world = World::new(Inner::Charges);
    world.claims([Fault::Silence]);
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..64 {
        attempts.spawn(world.attempt());
    }
    for told in attempts.join_all().await {
        told.problem(503, "store-unavailable", "unknown");
    }
    // Each asked twice: the claim, and once more with the same owner.
    assert_eq!(world.store.calls.load(Ordering::SeqCst), 128);
    assert_eq!(world.executions(), 0);
}

#[tokio::test]
async fn an_inner_service_that_panics_leaves_an_unknown_outcome() {
    let world = World::new(Inner::Panics);
    world.attempt().await.problem(504, "outcome-unknown", "unknown");
    world.record_in("unknown").await;
    world.attempt().await.problem(409, "outcome-unknown", "unknown");
    assert_eq!(world.executions(), 1);
}
