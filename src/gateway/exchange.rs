//! The exchange: one request from its head to its answer.
//!
//! Each step before the claim can refuse the request without a trace. [`Gateway::contend`] claims the
//! operation.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use http::header::EXPECT;
use http::{Method, Request, Response};
use tokio::time::Instant;

use crate::config::{Route, UpstreamName};
use crate::presence::ConnectionFacts;
use crate::problem::{Problem, ShapeOfRequest, Slug};
use crate::protocol::{FoundKey, KeySearch};
use crate::routes::{Ambiguity, Matched, Published};
use crate::shares::Party;

use super::access::AccessLine;
use super::attempt::Attempt;
use super::body::{leave, leave_body, without_body};
use super::cors::Asking;
use super::key_in_body::by_body;
use super::lookup::look_up;
use super::operation::requested_key;
use super::policy::publish;
use super::reply::Reply;
use super::settings::Settings;
use super::unprotected::pass_through;
use super::{Gateway, Upstream};

/// Answers one request: routes it, counts it and logs it.
pub(super) async fn exchange(
    gateway: Arc<Gateway>,
    upstream: Upstream,
    mut request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    if let Some(response) = preflight(&gateway, &gateway.settings.load(), &request) {
        leave(request);
        return Ok(response);
    }
    let matched = gateway.routes.table().find(request.method(), request.uri().path(), request.headers());
    // A reload puts the routes into use last, so these settings are at least as new as the route.
    let settings = gateway.settings.load_full();
    let (origin, client) = Gateway::origin(&settings, &request);
    let party = client.into();
    let is_head = request.method() == Method::HEAD;
    let is_own = matches!(matched, Matched::Lookup | Matched::Policy(_));
    let asking = Asking::of(&request, &matched);
    let access = AccessLine::begin(&gateway.metrics, &request, &matched, client);
    let mut access = access.traced(&gateway.traces, &mut request);
    let shape = shape(&matched, &request);
    let (name, way) = way(matched, &request);
    // Futures that few requests need are on the heap, here and below: a future is as large as all futures that
    // it may await, and is moved at that size.
    let replied = match way {
        Way::Protected(route, key) => {
            Box::pin(protected(&gateway, upstream, route, key, request, party, &mut access)).await
        }
        Way::ByBody(route) => Box::pin(by_body(&gateway, upstream, route, request, party, &mut access)).await,
        Way::Unprotected(name) => pass_through(&gateway, upstream, name, request, party).await,
        Way::Lookup => Box::pin(look_up(&gateway, request, party, &mut access)).await,
        Way::Policy(published) => publish(&published, request),
        Way::Refused(problem) => {
            leave(request);
            Err(problem)
        }
    };
    let is_own = is_own || replied.is_err();
    let (mut response, outcome) = match replied {
        Ok(Reply { response, outcome }) => (response, outcome),
        Err(problem) => {
            let outcome = problem.slug().name();
            let docs = settings.problem_docs.as_deref();
            let response = match shape {
                Some(shape) => problem.into_response_to(*shape, docs),
                None => problem.into_response(docs),
            };
            (response, outcome)
        }
    };
    if is_head && is_own {
        response = without_body(response);
    }
    if let Some(name) = &name {
        settings.locations.rewrite(name, response.headers_mut(), &origin);
    }
    asking.share(settings.cors.as_ref(), is_own, response.headers_mut());
    access.end(outcome, &response);
    Ok(response)
}

/// The way of a request through the gateway.
enum Way {
    /// A route protects the request with this key.
    Protected(Arc<Route>, FoundKey),
    /// A route looks for the key in the body.
    ByBody(Arc<Route>),
    /// No key protects the request. It streams to this upstream.
    Unprotected(UpstreamName),
    /// The gateway answers a lookup.
    Lookup,
    /// The gateway publishes what its routes ask for.
    Policy(Arc<Published>),
    /// The gateway refuses the request. Nothing is sent.
    Refused(Problem),
}

/// Returns the way of a request, and its upstream if it has one.
fn way(matched: Matched, request: &Request<Body>) -> (Option<UpstreamName>, Way) {
    match matched {
        Matched::Route(route) => {
            let name = route.upstream.clone();
            let way = match requested_key(&route, request.headers(), None) {
                Ok(KeySearch::Found(key)) => Way::Protected(route, key),
                Ok(KeySearch::InBody) => Way::ByBody(route),
                Ok(KeySearch::Absent) => Way::Unprotected(name.clone()),
                Err(problem) => Way::Refused(problem),
            };
            (Some(name), way)
        }
        Matched::Fallback(name) => (Some(name.clone()), Way::Unprotected(name)),
        Matched::Ambiguous(ambiguity) => (None, Way::Refused(ambiguous(ambiguity))),
        Matched::Lookup => (None, Way::Lookup),
        Matched::Policy(published) => (None, Way::Policy(published)),
        Matched::Nothing => {
            let detail = "No route matches this method and path.";
            (None, Way::Refused(Problem::new(Slug::NoRoute, detail)))
        }
    }
}

/// Answers, counts and logs a browser's question about a page of another origin.
fn preflight(gateway: &Gateway, settings: &Settings, request: &Request<Body>) -> Option<Response<Body>> {
    let cors = settings.cors.as_ref()?;
    let response = cors.preflight(&gateway.routes.table(), request)?;
    let (_, client) = Gateway::origin(settings, request);
    AccessLine::begin(&gateway.metrics, request, &Matched::Nothing, client).end("preflight", &response);
    Some(response)
}

/// Returns the shape of the problems of a request. A request that no route covers has the usual shape, which
/// needs nothing of the request.
fn shape(matched: &Matched, request: &Request<Body>) -> Option<Box<ShapeOfRequest>> {
    let Matched::Route(route) = matched else { return None };
    ShapeOfRequest::of(&route.problems, request.headers()).map(Box::new)
}

/// Refuses a request that some servers would read as a request of a route, and others would not.
fn ambiguous(ambiguity: Ambiguity) -> Problem {
    let detail = match ambiguity {
        Ambiguity::Path => {
            "Servers read this path in more ways than one, and a route covers one of them: an escaped slash, a \
             backslash, an escaped control character, two slashes at the start, or `..` after an empty part. \
             Nothing was sent."
        }
        Ambiguity::Method => {
            "Some servers read another method in this request: its own in upper case, or the one that a header such \
             as X-HTTP-Method-Override names. A route covers this path for that method. Nothing was sent."
        }
    };
    Problem::new(Slug::NoRoute, detail)
}

/// Handles a request with a key on a protected route: reads the caller and the body, then asks to run.
async fn protected(
    gateway: &Arc<Gateway>,
    upstream: Upstream,
    route: Arc<Route>,
    key: FoundKey,
    request: Request<Body>,
    party: Party,
    access: &mut AccessLine,
) -> Result<Reply, Problem> {
    let (mut head, body) = request.into_parts();
    let expects = head.headers.contains_key(EXPECT);
    let id = match gateway.name_operation(&route, &key.key, &mut head, None) {
        Ok(id) => id,
        Err(problem) => {
            leave_body(expects, body);
            return Err(problem);
        }
    };
    access.about(id);
    let open_requests = head.extensions.get::<ConnectionFacts>().cloned().unwrap_or_default().open_requests;
    let _protected = open_requests.begin_protected();
    let uncommitted = open_requests.begin_uncommitted();
    let arriving = Instant::now();
    let body = gateway.bodies.read(party, expects, &head, body).await?;
    access.body_took(arriving.elapsed());
    drop(uncommitted);
    let attempt = Attempt::new(id, route, key, head, body, party, open_requests.clone());
    access.labelled(attempt.labels());
    let attempt = Box::new(attempt.keeping(&gateway.settler).within(access.trace()));
    gateway.contend(upstream, attempt, access).await
}
