//! The body of a request that is not read whole: one that streams on, is not wanted, comes too slowly or
//! breaks off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::problem::{Executed, Problem, Retry, Slug};

/// Returns a body that streams on, and a flag that becomes true when the body breaks off.
pub(super) fn watched(body: Body) -> (Body, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    if body.is_end_stream() {
        return (body, broken);
    }
    let seen = Arc::clone(&broken);
    let body = body.map_err(move |error| {
        seen.store(true, Ordering::Relaxed);
        error
    });
    (Body::new(body), broken)
}

/// Removes the body of an answer to a HEAD, and keeps its length. Over HTTP/1.1 the HTTP library does so;
/// over HTTP/2 a body there is an error, and the client loses the answer. A 304 has no length: it would be
/// that of the answer to a GET without a condition (RFC 9110, section 8.6).
pub(super) fn without_body(mut response: Response<Body>) -> Response<Body> {
    if response.status() == StatusCode::NOT_MODIFIED {
        return response;
    }
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}

/// Number of bytes still read of a body that is too large, so that the client can read the answer.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;
/// Longest time spent on reading such a body.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Leaves a request with a body that is not needed. Reads the body for a while, because closing a connection
/// with unread data makes the client lose the answer.
pub(super) fn leave(request: Request<Body>) {
    let (head, body) = request.into_parts();
    leave_body(head.headers.contains_key(EXPECT), body);
}

/// Leaves a body without its request. A client that `expects` "100 Continue" has not sent a body yet, so
/// there is nothing to read.
pub(super) fn leave_body(expects: bool, body: Body) {
    if !body.is_end_stream() && !expects {
        drain(body);
    }
}

/// Reads a body for a moment and discards it. A connection closed with unread data is reset, and the reset
/// would overtake the answer (RFC 9112, section 9.6).
pub(super) fn drain(mut body: Body) {
    tokio::spawn(async move {
        let until = Instant::now() + DRAIN_TIME;
        let mut read = 0;
        while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN_LIMIT {
                break;
            }
        }
    });
}

pub(super) fn too_slow() -> Problem {
    let detail = "The body did not arrive in time. Nothing was claimed and nothing was sent.";
    Problem::new(Slug::Http(StatusCode::REQUEST_TIMEOUT), detail).closing()
}

/// Makes the problem for a client that sent a faulty body.
pub(super) fn broken_off() -> Problem {
    let detail = "The body ended early or is malformed. Nothing was claimed and nothing was sent.";
    // The same request may run when the client sends it whole.
    let problem = Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail);
    problem.advising(Executed::Unknown, Retry::SameKey).closing()
}
