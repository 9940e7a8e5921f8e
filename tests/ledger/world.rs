//! One gateway on virtual time, and a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use oncegate::clock::{Clock, Timestamp};
use oncegate::config::{Config, Environment, InFlight, OnStoreError, Route};
use oncegate::gateway::{Gateway, GatewayLayer, GatewayService, lapsed, sweep};
use oncegate::protocol::{CallerParts, Key, Owner, Policy, Record, RecordId, Scope, State};
use oncegate::routes::{LiveRoutes, RouteTable};
use oncegate::stop::Stop;
use oncegate::store::{ClockLimits, Ledger, Store};
use oncegate::telemetry::Metrics;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt};

use crate::decisions;
use crate::events::Event;

use super::store::FaultyStore;
use super::upstream::Upstream;

pub const LEASE: Duration = Duration::from_secs(9);
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
pub const STORE_TIMEOUT: Duration = Duration::from_secs(1);
pub const MAX_IN_FLIGHT: usize = 8;
/// Longer than any wait of a test.
const FOREVER: Duration = Duration::from_secs(3600);

/// A gateway with its client and its upstream. Clones share all parts.
#[derive(Clone)]
pub struct World {
    pub store: Arc<FaultyStore>,
    pub upstream: Upstream,
    pub ledger: Ledger,
    pub metrics: Metrics,
    pub routes: LiveRoutes,
    pub route: Arc<Route>,
    service: GatewayService,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// Makes a gateway that rejects duplicates instead of keeping them waiting.
    pub fn rejecting() -> Self {
        Self::with(|route| route.in_flight = InFlight::Reject)
    }

    pub fn with_lease(lease: Duration) -> Self {
        Self::with(|route| route.policy.lease = lease)
    }

    /// Makes a gateway with a changed route, and a store with a clock that agrees with the wall clock.
    pub fn with(change: impl FnOnce(&mut Route)) -> Self {
        Self::with_clock(Arc::new(VirtualClock::set_to(Timestamp::now_on_the_wall())), change)
    }

    /// Makes a gateway that keeps replays in its cache, as it does outside tests.
    pub fn keeping_replays() -> Self {
        let clock = Arc::new(VirtualClock::set_to(Timestamp::now_on_the_wall()));
        Self::over(clock, |_| {}, |ledger| ledger.keeping_replays(1 << 20))
    }

    pub fn with_clock(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Route)) -> Self {
        Self::over(clock, change, |ledger| ledger)
    }

    /// Makes a gateway on a store with a watched clock, like the clock of a server.
    pub fn watching(clock: Arc<dyn Clock>, limits: ClockLimits) -> Self {
        let started = Instant::now();
        Self::over(
            clock,
            |route| {
                route.policy.ttl = limits.ttl;
                route.policy.tombstone_ttl = limits.retention - limits.ttl;
                route.on_store_error = OnStoreError::Bypass;
            },
            |ledger| ledger.watching_clock(limits, Arc::new(move || started.elapsed())),
        )
    }

    fn over(
        clock: Arc<dyn Clock>,
        change: impl FnOnce(&mut Route),
        with: impl FnOnce(Ledger) -> Ledger,
    ) -> Self {
        let environment = Environment::from([("ONCEGATE__STORE__URL", "memory:")]);
        let config = Config::for_upstream("http://127.0.0.1:9", &environment).expect("valid");
        let policy = Policy { lease: LEASE, response_timeout: RESPONSE_TIMEOUT, ..config.routes[0].policy };
        let in_flight = InFlight::Wait(FOREVER);
        let mut route = Route { policy, in_flight, ..Route::clone(&config.routes[0]) };
        change(&mut route);
        let route = Arc::new(route);
        let (store, upstream, metrics) =
            (Arc::new(FaultyStore::new(clock)), Upstream::default(), Metrics::new());
        let counted = metrics.clone();
        let ledger = with(Ledger::new(Arc::clone(&store) as Arc<dyn Store>, STORE_TIMEOUT))
            .reporting_lapses(move |id, record| lapsed(&counted, id, record));
        let server = oncegate::config::Server { max_in_flight: MAX_IN_FLIGHT, ..config.server };
        let routes = RouteTable::new(&[Arc::clone(&route)], None).expect("one route");
        let routes = LiveRoutes::new(routes);
        let (stop, measured) = (Stop::default(), metrics.clone());
        tokio::spawn(sweep(ledger.clone(), metrics.clone(), stop.clone()));
        let gateway = Gateway::new(
            &server,
            &config.upstreams,
            routes.clone(),
            ledger.clone(),
            measured,
            stop,
            new_owner,
        );
        let service = GatewayLayer::new(Arc::new(gateway)).layer(upstream.clone());
        Self { store, upstream, ledger, metrics, routes, route, service }
    }

    /// Sends one attempt and reads its response to the last byte.
    pub async fn send(&self, key: &str) -> Answer {
        let request = Request::post("/v1/charges").header("idempotency-key", key);
        self.exchange(request.body(Body::from("{}")).expect("a well-formed request")).await
    }

    /// Sends one request and reads its response to the last byte.
    pub async fn exchange(&self, request: Request<Body>) -> Answer {
        let answering = self.service.clone().oneshot(request);
        let answered = timeout(FOREVER, answering).await.expect("every attempt is answered");
        let (head, body) = answered.unwrap_or_else(|never| match never {}).into_parts();
        let body = body.collect().await.expect("a complete body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Starts an attempt in the background and waits until it can go no further.
    pub async fn begin(&self, key: &'static str) -> JoinHandle<Answer> {
        let world = self.clone();
        let attempt = tokio::spawn(async move { world.send(key).await });
        sleep(Duration::from_millis(1)).await;
        attempt
    }

    pub fn id(&self, key: &str) -> RecordId {
        let (key, headers) = (Key::parse(key.as_bytes()).expect("a valid key"), HeaderMap::new());
        let shown = CallerParts { headers: &headers, certificate: None, path: "/v1/charges" };
        let (scope, _) = Scope::of_request(&self.route.scope, shown);
        RecordId::of(&self.route.namespace, &scope, &key)
    }

    /// Tells whether duplicates are kept waiting.
    pub fn is_waiting(&self) -> bool {
        matches!(self.route.in_flight, InFlight::Wait(_))
    }

    /// Makes the store lose the record of a running execution.
    pub async fn forget(&self, key: &str) {
        let State::Running { owner, n, .. } = self.record(key).expect("a record").state else {
            panic!("{key} is {}", self.state(key));
        };
        let removed =
            decisions::apply(&self.ledger, self.id(key), None, &Event::Release { owner, n }, None).await;
        removed.expect("the store answers");
        assert_eq!(self.state(key), "absent");
    }

    pub fn record(&self, key: &str) -> Option<Record> {
        self.store.snapshot(self.id(key)).record
    }

    /// Returns the name of the stored state.
    pub fn state(&self, key: &str) -> &'static str {
        self.record(key).map_or("absent", |record| record.state.name())
    }

    /// Lets time pass until the record is in this state.
    pub async fn until(&self, key: &str, state: &str) {
        let until = Instant::now() + FOREVER;
        while self.state(key) != state {
            assert!(Instant::now() < until, "{key} never became {state}, it is {}", self.state(key));
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A response as a client got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Checks that this is the first response to an operation, and that it is stored.
    #[track_caller]
    pub fn is_first(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), &*self.body), (status, body), "{self:?}");
        for marked in ["idempotent-replayed", "idempotency-stored", "idempotency-outcome"] {
            assert_eq!(self.header(marked), None, "{self:?}");
        }
    }

    #[track_caller]
    pub fn is_replay(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), &*self.body), (status, body), "{self:?}");
        assert_eq!(self.header("idempotent-replayed"), Some("true"), "{self:?}");
        assert_eq!(self.header("idempotency-stored"), None, "{self:?}");
    }

    /// Checks that this is a true response that is not stored.
    #[track_caller]
    pub fn is_unstored(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), &*self.body), (status, body), "{self:?}");
        assert_eq!(self.header("idempotency-stored"), Some("false"), "{self:?}");
        assert_eq!(self.header("idempotent-replayed"), None, "{self:?}");
    }

    /// Checks that this is a problem with these members.
    #[track_caller]
    pub fn is_problem(&self, status: u16, slug: &str, executed: &str, retry: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let problem: Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(problem["type"], format!("urn:oncegate:problem:{slug}"), "{problem}");
        assert_eq!((&problem["executed"], &problem["retry"]), (&executed.into(), &retry.into()), "{problem}");
    }

    #[track_caller]
    pub fn is_store_unavailable(&self) {
        self.is_problem(503, "store-unavailable", "unknown", "same-key");
        assert!(self.header("retry-after").is_some(), "{self:?}");
    }

    #[track_caller]
    pub fn is_unknown(&self, status: u16) {
        self.is_problem(status, "outcome-unknown", "unknown", "never");
    }

    #[track_caller]
    pub fn is_in_flight(&self) {
        self.is_problem(409, "in-flight", "unknown", "same-key");
    }
}

/// A clock that follows the virtual time from any start.
pub struct VirtualClock {
    set_to: Timestamp,
    set_at: Instant,
    shift: AtomicI64,
}

impl VirtualClock {
    pub fn set_to(set_to: Timestamp) -> Self {
        Self { set_to, set_at: Instant::now(), shift: AtomicI64::new(0) }
    }

    /// Shifts the clock by this many milliseconds from now on.
    pub fn shift(&self, millis: i64) {
        self.shift.store(millis, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let right = self.set_to.plus(self.set_at.elapsed());
        Timestamp(right.0.saturating_add_signed(self.shift.load(Ordering::SeqCst)))
    }
}

/// The time that the machine believes.
pub trait OnTheWall {
    fn now_on_the_wall() -> Self;
}

impl OnTheWall for Timestamp {
    fn now_on_the_wall() -> Self {
        Self(0).plus(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970"))
    }
}

/// Returns tokens that never repeat. No test guesses a token.
pub fn new_owner() -> Owner {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut token = [0; 16];
    token[..8].copy_from_slice(&(LAST.fetch_add(1, Ordering::SeqCst) << 20).to_be_bytes());
    Owner(token)
}
