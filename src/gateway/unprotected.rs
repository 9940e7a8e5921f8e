//! Requests that no key protects: they stream through, and the gateway records nothing of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower::ServiceExt;
use tracing::warn;

use crate::call::{CallLimit, Unusable};
use crate::config::UpstreamName;
use crate::headers::IDEMPOTENCY_PROTECTED;
use crate::headers::prepare_response;
use crate::problem::{Executed, Problem, Retry, Slug};
use crate::protocol::Sent;
use crate::shares::Party;
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
    request: Request<Body>,
    party: Party,
) -> Result<Reply, Problem> {
    let (is_keyed, refuses_keyed) = {
        let table = gateway.routes.table();
        (table.is_keyed(request.headers()), table.refuses_keyed())
    };
    if is_keyed && refuses_keyed {
        leave(request);
        let detail = "The request carries an idempotency key, and no route protects this method and path. \
                      Nothing was sent.";
        return Err(Problem::new(Slug::NoRoute, detail));
    }
    if is_keyed && let Some(held_back) = KEYS_WITHOUT_ROUTE.ask() {
        warn!(
            method = %request.method(), path = request.uri().path(), held_back,
            "a request carries an idempotency key, but no route protects it: it streams through, and a retry \
             runs again"
        );
    }
    let replied = match stream(gateway, upstream, name, request, party) {
        Ok(replied) => replied.await,
        Err(problem) => Err(problem),
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

/// Sends a request on, and returns a future of the reply. No future holds the request, because futures that call
/// each other would each move it.
fn stream(
    gateway: &Gateway,
    upstream: Upstream,
    name: UpstreamName,
    mut request: Request<Body>,
    party: Party,
) -> Result<impl Future<Output = Result<Reply, Problem>> + use<>, Problem> {
    let Some(permit) = gateway.streams.take(party, 1) else {
        leave(request);
        return Err(Problem::overloaded());
    };
    let (version, peer) = (request.version(), request.extensions().get().copied());
    gateway.prepare(
        request.headers_mut(),
        version,
        peer,
        gateway.routes.table().key_headers().map(HeaderName::as_str),
    );
    request.extensions_mut().insert(name);
    request.extensions_mut().insert(CallLimit::Silence);
    let method = request.method().clone();
    let (body, broken) = watched(std::mem::take(request.body_mut()));
    *request.body_mut() = body;
    let answered = forward(upstream, request, permit);
    Ok(async move {
        match answered.await {
            Ok(answered) => answered.map(Reply::unprotected),
            Err(sent) => Err(lost(&method, sent, broken.load(Ordering::Relaxed))),
        }
    })
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

/// Sends a request that is not protected. Returns a future of the upstream's response, or of a problem if the
/// head of the response cannot be passed on. Drops `held` with the body of the response.
pub(super) fn forward<H: Send + Unpin + 'static>(
    upstream: Upstream,
    request: Request<Body>,
    held: H,
) -> impl Future<Output = Result<Result<Response<Body>, Problem>, Sent>> {
    let answered = upstream.oneshot(request);
    async move {
        match answered.await {
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
}

impl Reply {
    /// Marks the reply: the key of the request protects nothing.
    fn unprotected_key(mut self) -> Self {
        self.response.headers_mut().insert(IDEMPOTENCY_PROTECTED, HeaderValue::from_static("false"));
        Self { outcome: "unprotected-key", ..self }
    }
}
