//! The service as a connection calls it: told who is on the other side, and not called with what is
//! refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{HttpService, service_fn};
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};
use tracing::info;

use crate::gateway::{ClientCertificate, Peer, Problem, Slug};
use crate::telemetry::Metrics;

use super::idle::Requests;
use super::strict::{Refusal, Refusals, check};
use super::untaken::{Pieces, Untaken};

/// What a connection tells of its client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: Peer,
    /// The certificate that it showed.
    pub(super) certificate: Option<ClientCertificate>,
}

/// A service, and what is answered in its place.
#[derive(Clone)]
pub(super) struct Served<S> {
    service: S,
    /// One for each request of HTTP/2 connections that may be open.
    places: Arc<Semaphore>,
    metrics: Metrics,
}

impl<S> Served<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    pub(super) fn new(service: S, places: Arc<Semaphore>, metrics: Metrics) -> Self {
        Self { service, places, metrics }
    }

    /// As an HTTP/1 connection calls it.
    pub(super) fn http1(
        &self,
        client: Client,
        refusals: Refusals,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<S> {
        let served = self.clone();
        service_fn(move |request: Request<Incoming>| {
            let (served, client, refusal) = (served.clone(), client.clone(), refusals.get());
            async move {
                match refusal {
                    Some(refusal) => Ok(served.refuse(client.peer, refusal)),
                    None => served.call(client, request.map(Body::new)).await,
                }
            }
        })
    }

    /// As an HTTP/2 connection calls it, whose `requests` these are, and of which `untaken` keeps what its
    /// client has yet to take.
    pub(super) fn http2(
        &self,
        client: Client,
        requests: Arc<Requests>,
        untaken: Arc<Untaken>,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<S> {
        let served = self.clone();
        service_fn(move |request: Request<Incoming>| {
            let (served, client) = (served.clone(), client.clone());
            let (open, untaken) = (requests.begin(), Arc::clone(&untaken));
            async move {
                let (mut head, body) = request.into_parts();
                if let Err(refusal) = check(&mut head) {
                    return Ok(served.refuse(client.peer, refusal));
                }
                let Ok(place) = served.places.clone().try_acquire_owned() else {
                    return Ok(served.answer(client.peer, Problem::overloaded()));
                };
                let response = served.call(client, Request::from_parts(head, Body::new(body))).await?;
                Ok(response.map(|body| Body::new(Pieces::new(body, untaken, place, open))))
            }
        })
    }

    async fn call(self, client: Client, mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
        request.extensions_mut().insert(client.peer);
        if let Some(certificate) = client.certificate {
            request.extensions_mut().insert(certificate);
        }
        self.service.oneshot(request).await
    }

    fn refuse(&self, peer: Peer, Refusal { status, why }: Refusal) -> Response<Body> {
        let problem = Problem::new(Slug::Http(status), format!("{why} Nothing was sent."));
        self.answer(peer, problem.closing())
    }

    /// An answer without a route.
    fn answer(&self, Peer { address, .. }: Peer, problem: Problem) -> Response<Body> {
        let (outcome, detail) = (problem.slug().name(), problem.detail().to_owned());
        let response = problem.into_response(None);
        self.metrics.request("", outcome, Duration::ZERO);
        info!(target: "oncegate::access", route = "", outcome, status = response.status().as_u16(), %address, "{detail}");
        response
    }
}
