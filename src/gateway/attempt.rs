//! One attempt: a request that asks for an operation, read to its end, and the outcome of its claim.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::request::Parts;
use http::{Method, Request};

use crate::call::CallLimit;
use crate::config::Route;
use crate::headers::name_execution;
use crate::presence::OpenRequests;
use crate::problem::Problem;
use crate::protocol::{
    CallerParts, Claim, Fingerprint, FoundKey, Key, KeySearch, Labels, Owner, PlaceNumber, Record, RecordId,
    RequestParts, Scheme, Scope, ScopePart, Standing,
};
use crate::settle::{KeptRequest, Settler};
use crate::shares::Party;
use crate::store::{Decision, StoreError};
use crate::telemetry::TraceContext;

use super::bodies::Buffered;
use super::reply::Reply;

/// A request that asks for one operation, read to its end.
pub(super) struct Attempt {
    pub(super) id: RecordId,
    pub(super) route: Arc<Route>,
    key: Key,
    /// The place that the key was read from.
    key_place: PlaceNumber,
    head: Parts,
    body: Buffered,
    pub(super) fingerprint: Fingerprint,
    /// The parts of the request that are kept with the record until the operation is settled.
    kept: Option<Arc<[u8]>>,
    /// The labels of the request.
    labels: Labels,
    /// The party that the permits and memory of this attempt are counted for.
    pub(super) party: Party,
    pub(super) open_requests: OpenRequests,
    /// The place of the request's span.
    pub(super) trace: TraceContext,
}

/// The execution that an attempt ran. Its types are small, because each [`ClaimOutcome`] has room for it.
#[derive(Clone, Copy)]
pub(super) struct Ran {
    n: NonZeroU32,
    /// Time of its call to the upstream, in seconds.
    call: f32,
}

impl Ran {
    /// Returns execution `n`, which has a number from one on, with a call that took this long.
    pub(super) fn new(n: u32, call: Duration) -> Option<Self> {
        Some(Self { n: NonZeroU32::new(n)?, call: call.as_secs_f32() })
    }

    /// Returns the number of the execution.
    pub(super) fn n(self) -> u32 {
        self.n.get()
    }

    /// Returns the time of the call, to a ten millionth of it.
    pub(super) fn call(self) -> Duration {
        Duration::from_secs_f32(self.call)
    }
}

/// The outcome of a claim, as the attempt gets it.
pub(super) enum ClaimOutcome {
    /// The final answer, with the execution that the attempt ran; none if it was refused.
    Answered(Result<Reply, Problem>, Option<Ran>),
    /// The attempt, which did not run, and the record as it stands.
    NotRun(Box<Attempt>, Box<Decision<Standing>>),
    /// The attempt, which did not take over: the record had moved on.
    MovedOn(Box<Attempt>),
    /// The attempt, which sent nothing because the store did not say whether it may run.
    Unclaimed(Box<Attempt>, StoreError),
}

impl Attempt {
    /// Creates the attempt that this prepared head and this body make at the operation `id`.
    pub(super) fn new(
        id: RecordId,
        route: Arc<Route>,
        key: FoundKey,
        head: Parts,
        body: Buffered,
        party: Party,
        open_requests: OpenRequests,
    ) -> Self {
        let fingerprint = Fingerprint::of(parts(&head, &body), &route.fingerprint);
        let labels = Labels::of_request(&route.labels, parts(&head, &body));
        let FoundKey { key, place: key_place } = key;
        let (kept, trace) = (None, TraceContext::default());
        Self { id, route, key, key_place, head, body, fingerprint, kept, labels, party, open_requests, trace }
    }

    /// Takes what settling an unknown outcome would need of the request.
    pub(super) fn keeping(mut self, settler: &Settler) -> Self {
        self.kept = settler.keep(self.id, &self.route, &self.key, self.sent());
        self
    }

    /// Places the spans of this attempt.
    pub(super) fn within(self, trace: TraceContext) -> Self {
        Self { trace, ..self }
    }

    /// Creates the attempt that the kept request of a record makes. Returns `None` if the request has another
    /// key, or none, where the route looks for it now: the upstream has to get the key of the first execution.
    pub(super) fn again(
        id: RecordId,
        route: Arc<Route>,
        record: &Record,
        request: KeptRequest,
    ) -> Option<Self> {
        let Ok(KeySearch::Found(key)) = route.key.source.find(&request.headers, Some(&request.body)) else {
            return None;
        };
        if !names(&route, record, &request, &key.key, id) {
            return None;
        }
        let (mut head, ()) = Request::new(()).into_parts();
        (head.method, head.uri, head.headers) = (request.method, request.uri, request.headers);
        Some(Self {
            id,
            route,
            key: key.key,
            key_place: key.place,
            head,
            body: Buffered { bytes: request.body, share: None },
            fingerprint: record.fingerprint.clone(),
            kept: None,
            labels: record.labels.clone(),
            party: None.into(),
            open_requests: OpenRequests::default(),
            trace: TraceContext::default(),
        })
    }

    /// Returns the request as the client sent it.
    pub(super) fn sent(&self) -> RequestParts<'_> {
        parts(&self.head, &self.body)
    }

    /// Returns the claim of an execution with the token `owner`.
    pub(super) fn claim(&self, owner: Owner) -> Claim {
        Claim {
            owner,
            namespace: Arc::clone(&self.route.namespace),
            route: Arc::clone(&self.route.name),
            fingerprint: self.fingerprint.clone(),
            policy: self.route.policy,
            kept: self.kept.clone(),
            labels: self.labels.clone(),
        }
    }

    /// Returns the labels of the request.
    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Returns the method of the request.
    pub(super) fn method(&self) -> &Method {
        &self.head.method
    }

    /// Returns the path of the request, as the client sent it.
    pub(super) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Recomputes the fingerprint in the scheme of an existing record.
    pub(super) fn compare_under(&mut self, scheme: &Arc<Scheme>) {
        self.fingerprint = Fingerprint::under(parts(&self.head, &self.body), scheme);
    }

    /// Builds the request of execution `n`. An attempt has one execution, so the head is moved, not copied.
    pub(super) fn request(&mut self, n: u32) -> Request<Body> {
        let mut request = self.limited_request(CallLimit::Whole);
        name_execution(request.headers_mut(), self.id, n);
        request
    }

    /// Builds the request as it is sent upstream when no execution is recorded.
    pub(super) fn unprotected_request(&mut self) -> Request<Body> {
        self.limited_request(CallLimit::Silence)
    }

    fn limited_request(&mut self, limit: CallLimit) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.bytes.clone()));
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.headers_mut() = std::mem::take(&mut self.head.headers);
        self.route.key.send(&self.key, self.key_place, request.headers_mut());
        request.extensions_mut().insert(self.route.upstream.clone());
        request.extensions_mut().insert(limit);
        request
    }
}

/// Tells whether a kept request with this key certainly names the operation `id`.
///
/// The client's certificate was not kept, so an identity that it is a part of cannot be computed again. Then
/// only the key that was kept with the request tells. An earlier release did not keep one, and its request is
/// left to its client.
fn names(route: &Route, record: &Record, request: &KeptRequest, key: &Key, id: RecordId) -> bool {
    let is_kept_key = request.key.as_deref().map(|kept| kept == key.as_str());
    if route.scope.contains(&ScopePart::ClientCertificate) {
        return is_kept_key == Some(true);
    }
    let shown = CallerParts { headers: &request.headers, certificate: None, path: request.uri.path() };
    let (scope, _) = Scope::of_request(&route.scope, shown);
    is_kept_key != Some(false) && RecordId::of(&record.namespace, &scope, key) == id
}

fn parts<'a>(head: &'a Parts, body: &'a Buffered) -> RequestParts<'a> {
    RequestParts {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &head.headers,
        body: &body.bytes,
    }
}
