//! The service as a connection calls it: with the client's address and certificate, and only for
//! requests that are not refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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
use crate::presence::{Presence, Stakes};
use crate::problem::{Problem, Slug};
use crate::shares::Shares;
use crate::telemetry::Metrics;

use super::answering::answering;
use super::idle::Requests;
use super::listening::Listening;
use super::places::Seat;
use super::strict::{Refusal, Refusals, check};
use super::untaken::{Pieces, Untaken};

/// The client of a connection, as the connection knows it.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) peer: Peer,
    /// The certificate that the client presented.
    pub(super) certificate: Option<ClientCertificate>,
}

/// A service, and the responses that are given in its place.
#[derive(Clone)]
pub(super) struct Served<S> {
    service: S,
    /// Shares of the open requests of all HTTP/2 connections, one for each request.
    places: Shares,
    /// True once the gateway drains.
    leaving: Arc<AtomicBool>,
    /// The methods that the response to any other method names.
    methods: &'static str,
    problem_docs: Option<Arc<str>>,
    metrics: Metrics,
}

impl<S> Served<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    pub(super) fn new(service: S, places: Shares, listening: &Listening) -> Self {
        let Listening { methods, problem_docs, metrics, .. } = listening;
        let (problem_docs, metrics) = (problem_docs.clone(), metrics.clone());
        Self { service, places, leaving: Arc::default(), methods, problem_docs, metrics }
    }

    /// Marks each later response of HTTP/1 as the last of its connection.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// Returns the service of an HTTP/1 connection. `presence` tells whether its client is present.
    pub(super) fn http1(
        &self,
        caller: Caller,
        presence: Presence,
        seat: Arc<Seat>,
        refusals: Refusals,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<S> {
        let served = self.clone();
        service_fn(move |request: Request<Incoming>| {
            let (served, refusals, presence) = (served.clone(), refusals.clone(), presence.clone());
            let (caller, seat, asked) = (caller.clone(), Arc::clone(&seat), seat.ask());
            async move {
                if let Some(refusal) = refusals.get() {
                    // The library has read a harmless request in place of the refused one.
                    return Ok(served.refuse(caller.peer, refusals.refused(), refusal));
                }
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(presence);
                let leaving = Arc::clone(&served.leaving);
                let mut response = served.call(caller, seat.stakes(), request).await?;
                if leaving.load(Relaxed) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(answering(response, asked))
            }
        })
    }

    /// Returns the service of an HTTP/2 connection. `requests` counts its open requests, and `untaken`
    /// its responses that the client has not read yet.
    pub(super) fn http2(
        &self,
        caller: Caller,
        requests: Arc<Requests>,
        seat: Arc<Seat>,
        untaken: Arc<Untaken>,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<S> {
        let served = self.clone();
        service_fn(move |request: Request<Incoming>| {
            let (served, caller) = (served.clone(), caller.clone());
            let (open, untaken) = (requests.begin(), Arc::clone(&untaken));
            let (seat, asked_here) = (Arc::clone(&seat), seat.ask());
            async move {
                let (mut head, body) = request.into_parts();
                if let Err(refusal) = check(&mut head) {
                    return Ok(served.refuse(caller.peer, Some(asked(&head)), refusal));
                }
                let Some(place) = served.places.take(caller.peer.address.into(), 1) else {
                    return Ok(served.answer(caller.peer, Some(asked(&head)), Problem::overloaded()));
                };
                let request = Request::from_parts(head, Body::new(body));
                let response = served.call(caller, seat.stakes(), request).await?;
                let holds = (place, open, asked_here);
                Ok(response.map(|body| Body::new(Pieces::new(body, untaken, holds))))
            }
        })
    }

    async fn call(
        self,
        caller: Caller,
        stakes: &Stakes,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Infallible> {
        request.extensions_mut().insert(caller.peer);
        request.extensions_mut().insert(stakes.clone());
        if let Some(certificate) = caller.certificate {
            request.extensions_mut().insert(certificate);
        }
        self.service.oneshot(request).await
    }

    fn refuse(
        &self,
        peer: Peer,
        asked: Option<Asked<'_>>,
        Refusal { status, why }: Refusal,
    ) -> Response<Body> {
        let problem = Problem::new(Slug::Http(status), format!("{why} Nothing was sent."));
        let mut response = self.answer(peer, asked, problem.closing());
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(self.methods));
        }
        response
    }

    /// Counts and logs a problem that is answered without a route. Returns its response.
    fn answer(
        &self,
        Peer { address, .. }: Peer,
        asked: Option<Asked<'_>>,
        problem: Problem,
    ) -> Response<Body> {
        let (outcome, detail) = (problem.slug().name(), problem.detail().to_owned());
        let response = problem.into_response(self.problem_docs.as_deref());
        self.metrics.request("", outcome, Duration::ZERO);
        let (method, path) = asked.unzip();
        info!(
            target: "oncegate::access", method, path, route = "", outcome, status = response.status().as_u16(),
            took_ms = 0.0, client = %address, "{detail}"
        );
        response
    }
}

/// The method and the path of a request.
type Asked<'a> = (&'a str, &'a str);

fn asked(head: &Parts) -> Asked<'_> {
    (head.method.as_str(), head.uri.path())
}
