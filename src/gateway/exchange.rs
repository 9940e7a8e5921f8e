//! The exchange: one request from its head to its answer.
//!
//! Each step before the claim can refuse the request without a trace. [`Gateway::contend`] claims the
//! operation.

use std::sync::Arc;

use axum::body::Body;
use http::header::EXPECT;
use http::{Method, Request, Response};

use crate::config::Route;
use crate::presence::OpenRequests;
use crate::problem::{Problem, Slug};
use crate::protocol::KeySearch;
use crate::routes::{Ambiguity, Matched};
use crate::shares::Party;

use super::access::AccessLine;
use super::attempt::Attempt;
use super::body::{leave, leave_body, without_body};
use super::key_in_body::by_body;
use super::lookup::look_up;
use super::operation::requested_key;
use super::reply::Reply;
use super::unprotected::pass_through;
use super::{Gateway, Upstream};

/// Answers one request: routes it, counts it and logs it.
pub(super) async fn exchange(
    gateway: Arc<Gateway>,
    upstream: Upstream,
    request: Request<Body>,
) -> Response<Body> {
    let matched = gateway.routes.table().find(request.method(), request.uri().path(), request.headers());
    let (origin, client) = gateway.origin(&request);
    let party = client.into();
    let is_head = request.method() == Method::HEAD;
    let is_own = matches!(matched, Matched::Lookup);
    let mut access = AccessLine::begin(&gateway.metrics, &request, &matched, client);
    let (name, replied) = match matched {
        Matched::Route(route) => {
            // On the heap, like many futures below: a future is as large as all futures that it may await,
            // and is moved at that size.
            let name = Some(route.upstream.clone());
            (name, Box::pin(protected(&gateway, upstream, route, request, party, &mut access)).await)
        }
        Matched::Fallback(name) => {
            (Some(name.clone()), pass_through(&gateway, upstream, name, request, party).await)
        }
        Matched::Ambiguous(ambiguity) => (None, Err(ambiguous(ambiguity, request))),
        Matched::Lookup => (None, look_up(&gateway, request, party, &mut access).await),
        Matched::Nothing => {
            leave(request);
            (None, Err(Problem::new(Slug::NoRoute, "No route matches this method and path.")))
        }
    };
    let is_own = is_own || replied.is_err();
    let (mut response, outcome) = match replied {
        Ok(Reply { response, outcome }) => (response, outcome),
        Err(problem) => {
            let outcome = problem.slug().name();
            (problem.into_response(gateway.problem_docs.as_deref()), outcome)
        }
    };
    if is_head && is_own {
        response = without_body(response);
    }
    if let Some(name) = &name {
        gateway.locations.rewrite(name, response.headers_mut(), &origin);
    }
    access.end(outcome, &response);
    response
}

/// Refuses a request that some servers would read as a request of a route, and others would not.
fn ambiguous(ambiguity: Ambiguity, request: Request<Body>) -> Problem {
    leave(request);
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

/// Handles a request on a protected route: reads the key, the caller and the body, then asks to run.
async fn protected(
    gateway: &Arc<Gateway>,
    upstream: Upstream,
    route: Arc<Route>,
    request: Request<Body>,
    party: Party,
    access: &mut AccessLine,
) -> Result<Reply, Problem> {
    let key = match requested_key(&route, request.headers(), None) {
        Ok(KeySearch::Found(key)) => key,
        Ok(KeySearch::InBody) => {
            return Box::pin(by_body(gateway, upstream, route, request, party, access)).await;
        }
        Ok(KeySearch::Absent) => {
            return pass_through(gateway, upstream, route.upstream.clone(), request, party).await;
        }
        Err(problem) => {
            leave(request);
            return Err(problem);
        }
    };
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
    let open_requests: OpenRequests = head.extensions.remove().unwrap_or_default();
    let _protected = open_requests.begin_protected();
    let uncommitted = open_requests.begin_uncommitted();
    let body = gateway.bodies.read(party, expects, &head, body).await?;
    drop(uncommitted);
    let attempt = Attempt::new(id, route, key, head, body, party, open_requests.clone());
    access.labelled(attempt.labels());
    let attempt = Box::new(attempt.keeping(&gateway.settler));
    gateway.contend(upstream, attempt).await
}
