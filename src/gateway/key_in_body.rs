//! Requests on a route that reads keys from bodies. The body is read whole before it is known whether there is
//! a key.
//!
//! A request without a key, where the route does not require one, then passes unprotected with the body that
//! was read. A body that is too large, or that cannot be read, may hold a key all the same, so the request is
//! refused and nothing is sent.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use http::header::EXPECT;
use tokio::time::Instant;

use crate::config::Route;
use crate::holding::holding;
use crate::presence::ConnectionFacts;
use crate::problem::Problem;
use crate::protocol::KeySearch;
use crate::shares::Party;

use super::access::AccessLine;
use super::attempt::Attempt;
use super::body::leave_body;
use super::operation::{readable_key, requested_key};
use super::reply::Reply;
use super::unprotected::pass_through;
use super::{Gateway, Upstream};

/// Handles a request with a head that has no key, on a route that looks for keys in bodies, too.
pub(super) async fn by_body(
    gateway: &Arc<Gateway>,
    upstream: Upstream,
    route: Arc<Route>,
    request: Request<Body>,
    party: Party,
    access: &mut AccessLine,
) -> Result<Reply, Problem> {
    use http_body::Body as _;
    let (mut head, body) = request.into_parts();
    let expects = head.headers.contains_key(EXPECT);
    if !body.is_end_stream()
        && let Err(problem) = readable_key(&route, &head.headers)
    {
        leave_body(expects, body);
        return Err(problem);
    }
    let open_requests = head.extensions.get::<ConnectionFacts>().cloned().unwrap_or_default().open_requests;
    let uncommitted = open_requests.begin_uncommitted();
    let arriving = Instant::now();
    let body = gateway.bodies.read(party, expects, &head, body).await?;
    access.body_took(arriving.elapsed());
    let KeySearch::Found(key) = requested_key(&route, &head.headers, Some(&body.bytes))? else {
        drop(uncommitted);
        let request = Request::from_parts(head, holding(Body::from(body.bytes), body.share));
        return pass_through(gateway, upstream, route.upstream.clone(), request, party).await;
    };
    let id = gateway.name_operation(&route, &key.key, &mut head, None)?;
    access.about(id);
    let _protected = open_requests.begin_protected();
    drop(uncommitted);
    let attempt = Attempt::new(id, route, key, head, body, party, open_requests.clone());
    access.labelled(attempt.labels());
    let attempt = Box::new(attempt.keeping(&gateway.settler).within(access.trace()));
    gateway.contend(upstream, attempt, access).await
}
