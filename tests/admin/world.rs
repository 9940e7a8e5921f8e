//! An admin listener with every part behind it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use oncegate::admin::{About, Access, AdminState, Configuration, router};
use oncegate::clock::{ManualClock, Timestamp};
use oncegate::config::{
    AdminToken, InFlight, Match, OnStoreError, Role, Route, RouteKey, Settling, UnknownAnswers, UpstreamName,
};
use oncegate::peer::Peer;
use oncegate::protocol::path::Template;
use oncegate::protocol::{
    BodyScheme, Claim, Fingerprint, Key, Labels, OnUnknown, Outcomes, Owner, PathScheme, Policy, Reason,
    RecordId, RequestParts, ResponseRef, Scheme, Scope, ScopePart, StoredResponse,
};
use oncegate::routes::{LiveRoutes, RouteTable};
use oncegate::secret::Secret;
use oncegate::settle::{Keeper, Settler};
use oncegate::store::{Ledger, Store};
use oncegate::telemetry::{MeteredStore, Metrics};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::audit_lines;
use crate::decisions::{self, Decision};
use crate::events::{Event, Verdict};
use crate::faulty::FaultyStore;

pub const LEASE: Duration = Duration::from_secs(10);
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
pub const TTL: Duration = Duration::from_secs(60 * 60);
pub const TOMBSTONE: Duration = Duration::from_secs(24 * 60 * 60);

/// The time at which each world begins: 2023-11-14T22:13:20Z.
const BEGIN: Timestamp = Timestamp(1_700_000_000_000);

/// The peer of each connection, which the server of the gateway would note.
const PEER: Peer = Peer { address: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), secure: false };

/// Admits with one token that may change records.
pub fn token(text: &str) -> Access {
    tokens(&[("admin", text, Role::Settle)])
}

/// Admits with tokens of these names, values and roles.
pub fn tokens(tokens: &[(&str, &str, Role)]) -> Access {
    let token = |&(name, text, role): &(&str, &str, Role)| AdminToken {
        name: name.into(),
        role,
        secret: Secret(text.into()),
    };
    Access::Tokens(tokens.iter().map(token).collect())
}

/// An admin listener on a free port, and the parts behind it.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub store: Arc<FaultyStore>,
    pub ledger: Ledger,
    pub metrics: Metrics,
    pub draining: CancellationToken,
    pub address: SocketAddr,
    owners: Arc<AtomicU64>,
}

/// A claimed execution.
#[derive(Clone, Copy)]
pub struct Execution {
    pub id: RecordId,
    pub owner: Owner,
    pub n: u32,
}

impl World {
    pub async fn start() -> Self {
        Self::guarded_by(Access::Loopback).await
    }

    pub async fn guarded_by(access: Access) -> Self {
        Self::with(access, None).await
    }

    /// Starts a gateway that shows this configuration and its reloads.
    pub async fn reloading(configuration: Configuration) -> Self {
        Self::with(Access::Loopback, Some(configuration)).await
    }

    async fn with(access: Access, configuration: Option<Configuration>) -> Self {
        audit_lines::prepare();
        let clock = Arc::new(ManualClock::at(BEGIN));
        let store = Arc::new(FaultyStore::new(clock.clone()));
        let metrics = Metrics::new();
        let metered = MeteredStore::new(store.clone() as Arc<dyn Store>, metrics.clone());
        let ledger = Ledger::new(Arc::new(metered), Duration::from_millis(200));
        let draining = CancellationToken::new();
        let owners = Arc::new(AtomicU64::new(1));
        let counter = owners.clone();
        let state = AdminState {
            ledger: ledger.clone(),
            settler: Settler::new(ledger.clone(), metrics.clone(), Keeper::default(), || Owner([0xee; 16])),
            metrics: metrics.clone(),
            about: About::default(),
            routes: LiveRoutes::new(
                RouteTable::new(&[route("pay"), route("refund")], None).expect("two routes"),
            ),
            access,
            configuration,
            draining: draining.clone(),
            new_owner: Arc::new(move || next_owner(&counter)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move { axum::serve(listener, router(state).layer(axum::Extension(PEER))).await });
        Self { clock, store, ledger, metrics, draining, address, owners }
    }

    /// Claims for an attempt of a caller without credentials.
    pub async fn attempt(&self, route: &str, key: &str) -> (Execution, Decision) {
        self.attempt_labelled(route, key, Labels::default()).await
    }

    /// Claims for an attempt with these labels.
    pub async fn attempt_labelled(&self, route: &str, key: &str, labels: Labels) -> (Execution, Decision) {
        self.attempt_of(id_of(route, &Scope::anonymous(), key), route, labels).await
    }

    /// Claims for an attempt of the operation `id`.
    pub async fn attempt_of(&self, id: RecordId, route: &str, labels: Labels) -> (Execution, Decision) {
        let owner = next_owner(&self.owners);
        let claim = Claim {
            owner,
            namespace: format!("{route}-keys").into(),
            route: route.into(),
            fingerprint: fingerprint(),
            policy: policy(),
            kept: None,
            labels,
        };
        let decision = decisions::claim(&self.ledger, id, claim).await.expect("the store answers");
        let n = decision.record.as_ref().map_or(0, |record| record.state.n());
        (Execution { id, owner, n }, decision)
    }

    /// Claims an execution and leaves it running.
    pub async fn running(&self, key: &str) -> Execution {
        let (execution, decision) = self.attempt("pay", key).await;
        assert!(matches!(decision.verdict, Verdict::Won { .. }), "{:?}", decision.verdict);
        execution
    }

    pub async fn completed(&self, key: &str, status: StatusCode, body: &'static str) -> Execution {
        let execution = self.running(key).await;
        let Execution { id, owner, n } = execution;
        let response = StoredResponse {
            status,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("text/plain"))],
            body: Bytes::from_static(body.as_bytes()),
        };
        let reference = ResponseRef { id: owner, status: status.as_u16(), retained: true };
        let event = Event::Complete { owner, n, response: reference };
        self.apply(id, &event, Some(&response), Verdict::Stored).await;
        execution
    }

    pub async fn unknown(&self, key: &str) -> Execution {
        self.unknown_of("pay", key, Reason::ResponseTimeout).await
    }

    pub async fn unknown_of(&self, route: &str, key: &str, reason: Reason) -> Execution {
        self.lost(self.attempt(route, key).await, reason).await
    }

    /// Makes an unknown outcome with these labels.
    pub async fn unknown_labelled(&self, key: &str, labels: &[(&str, &str)]) -> Execution {
        let attempt = self.attempt_labelled("pay", key, Labels::stored(labels.iter().copied())).await;
        self.lost(attempt, Reason::ResponseTimeout).await
    }

    /// Loses the answer of an execution that was just claimed.
    pub async fn lost(&self, (execution, decision): (Execution, Decision), reason: Reason) -> Execution {
        assert!(matches!(decision.verdict, Verdict::Won { .. }), "{:?}", decision.verdict);
        let Execution { id, owner, n } = execution;
        let event = Event::Lose { owner, n, reason };
        self.apply(id, &event, None, Verdict::Held).await;
        execution
    }

    async fn apply(&self, id: RecordId, event: &Event, response: Option<&StoredResponse>, expected: Verdict) {
        let decision =
            decisions::apply(&self.ledger, id, None, event, response).await.expect("the store answers");
        assert_eq!(decision.verdict, expected);
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(self.url(path)), "").await
    }

    pub async fn delete(&self, id: RecordId) -> Answer {
        self.send(Request::delete(self.url(&format!("/v1/records/{id}"))), "").await
    }

    pub async fn show(&self, id: RecordId) -> Value {
        self.get(&format!("/v1/records/{id}")).await.json()
    }

    pub async fn resolve(&self, id: RecordId, body: Value) -> Answer {
        self.post(&format!("/v1/records/{id}/resolve"), body).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        let request = Request::post(self.url(path)).header(CONTENT_TYPE, "application/json");
        self.send(request, &body.to_string()).await
    }

    pub async fn send(&self, request: http::request::Builder, body: &str) -> Answer {
        let request = request.body(Full::<Bytes>::from(body.to_owned())).expect("a well-formed request");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.expect("the listener answers");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the answer is complete").to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The listener's response.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// Returns the JSON of a success.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Returns the detail of a problem with this status and type.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(self.headers[CACHE_CONTROL], "no-store");
        let problem: Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["type"], kind, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        problem["detail"].as_str().expect("a problem has a detail").to_owned()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

pub fn id_of(route: &str, scope: &Scope, key: &str) -> RecordId {
    RecordId::of(&format!("{route}-keys"), scope, &Key::parse(key.as_bytes()).expect("a valid key"))
}

fn next_owner(counter: &AtomicU64) -> Owner {
    let mut token = [0; 16];
    token[..8].copy_from_slice(&counter.fetch_add(1, Ordering::SeqCst).to_be_bytes());
    Owner(token)
}

fn policy() -> Policy {
    Policy {
        on_unknown: OnUnknown::Hold,
        lease: LEASE,
        response_timeout: RESPONSE_TIMEOUT,
        ttl: TTL,
        tombstone_ttl: TOMBSTONE,
    }
}

fn scheme() -> Arc<Scheme> {
    Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent })
}

fn fingerprint() -> Fingerprint {
    let headers = HeaderMap::new();
    let (method, headers) = (&Method::POST, &headers);
    let asked = RequestParts { method, path: "/v1/charges", query: None, headers, body: b"{}" };
    Fingerprint::of(asked, &scheme())
}

fn route(name: &str) -> Arc<Route> {
    Arc::new(Route {
        name: name.into(),
        path: format!("/v1/{name}"),
        template: Template::new(&format!("/v1/{name}")),
        matching: Match::Equivalent,
        shape: format!("/v1/{name}"),
        methods: vec![Method::POST],
        upstream: UpstreamName::new("payments"),
        namespace: format!("{name}-keys").into(),
        key: RouteKey::in_header(HeaderName::from_static("idempotency-key"), true),
        scope: [http::header::AUTHORIZATION, HeaderName::from_static("x-tenant")]
            .map(ScopePart::Header)
            .into(),
        anonymous: name == "pay",
        fingerprint: scheme(),
        labels: Vec::new(),
        policy: policy(),
        settling: Settling::Hold,
        keep_request: false,
        retry_horizon: None,
        evidence: None,
        replay_headers: Vec::new(),
        replay_drop: Vec::new(),
        in_flight: InFlight::Reject,
        max_response_body: 1024,
        outcomes: Outcomes::default(),
        problems: Arc::default(),
        release_when: Vec::new(),
        unknown_answers: UnknownAnswers::Pass,
        on_store_error: OnStoreError::Reject,
    })
}
