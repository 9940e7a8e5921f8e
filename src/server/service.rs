//! The service as a connection calls it: with the client's address and certificate, and only for
//! requests that are not refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{ALLOW, CONNECTION};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::{HttpService, service_fn};
use tower::{Service, ServiceExt};
use tracing::info;

use crate::peer::{ClientCertificate, Peer};
use crate::presence::ConnectionFacts;
use crate::problem::{Problem, Slug};
use crate::shares::Shares;
use crate::stop::AnnouncedFlag;
use crate::telemetry::Metrics;

use super::answering::answering;
use super::idle::Requests;
use super::response_progress::{PacedBody, UnreadResponses};
use super::settings::ListenerSettings;
use super::slots::ConnectionState;
use super::strict::{Refusal, Refusals, check};

/// The client of a connection, as the connection knows it.
#[derive(Clone, Debug)]
pub(super) struct ClientInfo {
    pub(super) peer: Peer,
    /// The certificate that the client presented.
    pub(super) certificate: Option<ClientCertificate>,
}

/// A service, and the responses that are given in its place.
#[derive(Clone)]
pub(super) struct ListenerService<S> {
    service: S,
    /// Shares of the open requests of all HTTP/2 connections, one for each request.
    request_shares: Shares,
    /// Set once each response of HTTP/1 is the last one of its connection.
    announced: AnnouncedFlag,
    /// The methods that the response to any other method names.
    methods: &'static str,
    problem_docs: Option<Arc<str>>,
    metrics: Metrics,
}

impl<S> ListenerService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    pub(super) fn new(
        service: S,
        request_shares: Shares,
        settings: &ListenerSettings,
        announced: AnnouncedFlag,
    ) -> Self {
        let ListenerSettings { methods, problem_docs, metrics, .. } = settings;
        let (problem_docs, metrics) = (problem_docs.clone(), metrics.clone());
        Self { service, request_shares, announced, methods, problem_docs, metrics }
    }

    /// Returns the service of an HTTP/1 connection.
    pub(super) fn http1(
        &self,
        client: ClientInfo,
        facts: ConnectionFacts,
        state: Arc<ConnectionState>,
        refusals: Refusals,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<S> {
        let listener = self.clone();
        service_fn(move |request: Request<Incoming>| {
            let (listener, refusals, facts) = (listener.clone(), refusals.clone(), facts.clone());
            let (client, active) = (client.clone(), state.begin_request());
            async move {
                if let Some(refusal) = refusals.get() {
                    // The library has read a harmless request in place of the refused one.
                    return Ok(listener.refuse(client.peer, refusals.refused(), refusal));
                }
                let announced = listener.announced.clone();
                let mut response = listener.call(client, facts, request.map(Body::new)).await?;
                if announced.is_set() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(answering(response, active))
            }
        })
    }

    /// Returns the service of an HTTP/2 connection. `requests` counts its open requests, and `unread`
    /// its responses that the client has not read yet.
    pub(super) fn http2(
        &self,
        client: ClientInfo,
        requests: Arc<Requests>,
        state: Arc<ConnectionState>,
        unread: Arc<UnreadResponses>,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<S> {
        let (listener, open_requests) = (self.clone(), state.open_requests().clone());
        let facts = ConnectionFacts { open_requests, ..ConnectionFacts::default() };
        service_fn(move |request: Request<Incoming>| {
            let (listener, client, facts) = (listener.clone(), client.clone(), facts.clone());
            let (open, unread) = (requests.begin(), Arc::clone(&unread));
            let active = state.begin_request();
            async move {
                let (mut head, body) = request.into_parts();
                if let Err(refusal) = check(&mut head) {
                    return Ok(listener.refuse(client.peer, Some(method_and_path(&head)), refusal));
                }
                let Some(share) = listener.request_shares.take(client.peer.address.into(), 1) else {
                    return Ok(listener.answer(
                        client.peer,
                        Some(method_and_path(&head)),
                        Problem::overloaded(),
                    ));
                };
                let request = Request::from_parts(head, Body::new(body));
                let response = listener.call(client, facts, request).await?;
                let guards = (share, open, active);
                Ok(response.map(|body| Body::new(PacedBody::new(body, unread, guards))))
            }
        })
    }

    async fn call(
        self,
        client: ClientInfo,
        facts: ConnectionFacts,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Infallible> {
        request.extensions_mut().insert(client.peer);
        request.extensions_mut().insert(facts);
        if let Some(certificate) = client.certificate {
            request.extensions_mut().insert(certificate);
        }
        self.service.oneshot(request).await
    }

    fn refuse(
        &self,
        peer: Peer,
        method_and_path: Option<MethodAndPath<'_>>,
        Refusal { status, why }: Refusal,
    ) -> Response<Body> {
        let problem = Problem::new(Slug::Http(status), format!("{why} Nothing was sent."));
        let mut response = self.answer(peer, method_and_path, problem.closing());
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(self.methods));
        }
        response
    }

    /// Counts and logs a problem that is answered without a route. Returns its response.
    fn answer(
        &self,
        Peer { address, .. }: Peer,
        method_and_path: Option<MethodAndPath<'_>>,
        problem: Problem,
    ) -> Response<Body> {
        let (outcome, detail) = (problem.slug().name(), problem.detail().to_owned());
        let response = problem.into_response(self.problem_docs.as_deref());
        self.metrics.request("", outcome, Duration::ZERO, None);
        let (method, path) = method_and_path.unzip();
        info!(
            target: "oncegate::access", method, path, route = "", outcome, status = response.status().as_u16(),
            took_ms = 0.0, client = %address, "{detail}"
        );
        response
    }
}

/// The method and the path of a request.
type MethodAndPath<'a> = (&'a str, &'a str);

fn method_and_path(head: &Parts) -> MethodAndPath<'_> {
    (head.method.as_str(), head.uri.path())
}
