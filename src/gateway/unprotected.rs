//! Requests that no key protects: they stream through, and the gateway records nothing of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower::ServiceExt;
use tracing::warn;

use crate::call::{CallError, CallLimit, Unusable};
use crate::config::{Route, UpstreamName};
use crate::headers::IDEMPOTENCY_PROTECTED;
use crate::headers::prepare_response;
use crate::problem::{Executed, Problem, Retry, Slug};
use crate::protocol::Sent;
use crate::routes::Matched;
use crate::shares::{Party, Share};
use crate::telemetry::{ErrorChain, Limited};

use super::answer::head_first;
use super::body::{leave, watched};
use super::reply::Reply;
use super::{Gateway, Upstream};

/// Limit on log lines about keys that protect nothing, because clients decide how many such requests there
/// are.
static KEYS_WITHOUT_ROUTE: Limited = Limited::new(5, Duration::from_secs(60));

/// Sends on a request that no key protects. If the request carries a key all the same, its answer says that
/// the key protects nothing, or the request is refused.
pub(super) async fn pass_through(
    gateway: &Gateway,
    upstream: Upstream,
    name: UpstreamName,
    mut request: Request<Body>,
    party: Party,
) -> Result<Reply, Problem> {
    let (is_keyed, refuses_keyed) = {
        let table = gateway.routes.table();
        (table.is_keyed(request.headers()), table.refuses_keyed())
    };
    if is_keyed && refuses_keyed {
        let detail = refusal(elsewhere(gateway, &request).as_deref());
        leave(request);
        return Err(Problem::new(Slug::NoRoute, detail));
    }
    if is_keyed {
        warn_of(gateway, &request);
    }
    let replied = match gateway.streams.take(party, 1) {
        Some(permit) => {
            let sent = SentRequest::prepare(gateway, name, &mut request);
            // Awaited here, because each future in between would hold the request once more.
            sent.reply(upstream.oneshot(request).await, permit)
        }
        None => {
            leave(request);
            Err(Problem::overloaded())
        }
    };
    match replied {
        replied if !is_keyed => replied,
        Ok(reply) => Ok(reply.unprotected_key()),
        // The gateway knows nothing of an earlier request with this key.
        Err(problem) if problem.slug() == Slug::UpstreamUnreachable => {
            Err(problem.advising(Executed::Unknown, Retry::SameKey).unprotected())
        }
        Err(problem) => Err(problem.unprotected()),
    }
}

/// Says why a request with a key is refused. `route` covers the request, and reads its key elsewhere.
fn refusal(route: Option<&Route>) -> String {
    let why = match route {
        Some(route) => {
            format!("but its route reads the key from {}, and there is none", route.key.source.in_words())
        }
        None => "and no route protects this method and path".to_owned(),
    };
    format!("The request carries an idempotency key, {why}. Nothing was sent.")
}

/// Warns of a key that protects nothing.
fn warn_of(gateway: &Gateway, request: &Request<Body>) {
    let Some(held_back) = KEYS_WITHOUT_ROUTE.ask() else { return };
    let (method, path) = (request.method(), request.uri().path());
    match elsewhere(gateway, request) {
        Some(route) => warn!(
            %method, path, held_back, route = %route.name,
            "a request carries an idempotency key where its route does not read keys: it streams through, and a \
             retry runs again"
        ),
        None => warn!(
            %method, path, held_back,
            "a request carries an idempotency key, but no route protects it: it streams through, and a retry \
             runs again"
        ),
    }
}

/// Returns the route of a request that has no key where this route reads keys.
fn elsewhere(gateway: &Gateway, request: &Request<Body>) -> Option<Arc<Route>> {
    let table = gateway.routes.table();
    match table.find(request.method(), request.uri().path(), request.headers()) {
        Matched::Route(route) => Some(route),
        _ => None,
    }
}

/// The facts about a request on which the problem depends that its client is told if no answer comes.
struct SentRequest {
    method: Method,
    /// True once the body has broken off.
    broken: Arc<AtomicBool>,
}

impl SentRequest {
    /// Makes a request fit for its upstream.
    fn prepare(gateway: &Gateway, name: UpstreamName, request: &mut Request<Body>) -> Self {
        let (version, peer) = (request.version(), request.extensions().get().copied());
        gateway.prepare(
            request.headers_mut(),
            version,
            peer,
            gateway.routes.table().key_headers().map(HeaderName::as_str),
        );
        request.extensions_mut().insert(name);
        request.extensions_mut().insert(CallLimit::Silence);
        let (body, broken) = watched(std::mem::take(request.body_mut()));
        *request.body_mut() = body;
        Self { method: request.method().clone(), broken }
    }

    /// Makes the reply from what came of the call. The permit is held until the client has the response.
    fn reply(self, called: Result<Response<Body>, CallError>, permit: Share) -> Result<Reply, Problem> {
        match passed_on(called, permit) {
            Ok(answered) => answered.map(Reply::unprotected),
            Err(sent) => Err(lost(&self.method, sent, self.broken.load(Ordering::Relaxed))),
        }
    }
}

/// Makes the problem for a request without a usable answer. Once the request may have been sent, only a safe
/// method may be repeated, because it is unknown whether any other method acted.
fn lost(method: &Method, sent: Sent, broken: bool) -> Problem {
    let problem = match sent {
        _ if broken => {
            let detail = "The body ended early or is malformed. A part of it may have been sent on.";
            Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail).closing()
        }
        Sent::Never => {
            return Problem::new(Slug::UpstreamUnreachable, "No connection could be made. Nothing was sent.");
        }
        Sent::Maybe => {
            let detail = "The request was sent, and no usable answer came back. Nothing protects it: if it is sent \
                          again, it may run twice.";
            Problem::new(Slug::Http(StatusCode::GATEWAY_TIMEOUT), detail)
        }
    };
    let retry = if method.is_safe() { Retry::SameKey } else { Retry::Never };
    problem.advising(Executed::Unknown, retry)
}

/// Returns the upstream's response to a request that is not protected, or a problem if the head of the response
/// cannot be passed on. Drops `held` with the body of the response.
pub(super) fn passed_on(
    called: Result<Response<Body>, CallError>,
    held: impl Send + Unpin + 'static,
) -> Result<Result<Response<Body>, Problem>, Sent> {
    match called {
        Ok(response) if response.extensions().get::<Unusable>().is_some() => {
            Ok(Err(Problem::answer_unusable(response.status().as_u16())))
        }
        Ok(mut response) => {
            prepare_response(response.headers_mut());
            Ok(Ok(response.map(|body| head_first(body, held))))
        }
        Err(error) => {
            warn!("{}", ErrorChain(&error));
            Err(error.sent)
        }
    }
}

impl Reply {
    /// Marks the reply: the key of the request protects nothing.
    fn unprotected_key(mut self) -> Self {
        self.response.headers_mut().insert(IDEMPOTENCY_PROTECTED, HeaderValue::from_static("false"));
        Self { outcome: "unprotected-key", ..self }
    }
}
