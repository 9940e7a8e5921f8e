//! The body of a request while it is read or left: what becomes of one that is not wanted, comes too slowly or
//! breaks off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::problem::{Executed, Problem, Retry, Slug};

/// A body that streams on, and whether it broke off.
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

/// How much of a body that is too large is still read, so that the client can read the answer.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;
/// And for how long.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Leaves a request whose body is not wanted. It is read on for a while: a connection that is closed over
/// what nobody has read takes the answer with it.
pub(super) fn leave(request: Request<Body>) {
    let (head, body) = request.into_parts();
    leave_body(head.headers.contains_key(EXPECT), body);
}

/// The same of a body alone. A client that `expects` "100 Continue" has sent nothing that would have to be
/// read.
pub(super) fn leave_body(expects: bool, body: Body) {
    if !body.is_end_stream() && !expects {
        drain(body);
    }
}

/// Reads on for a moment and throws away: a connection closed over unread data is reset, and the
/// reset would overtake the answer (RFC 9112, section 9.6).
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

/// The client's own body is at fault.
pub(super) fn broken_off() -> Problem {
    let detail = "The body ended early or is malformed. Nothing was claimed and nothing was sent.";
    // Sent whole, the same request may run.
    let problem = Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail);
    problem.advising(Executed::Unknown, Retry::SameKey).closing()
}
