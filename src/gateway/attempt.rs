//! What has to be known of a request before the store is asked: its key, its caller, its body.
//! Whatever is wrong here is refused without a claim and without a byte to the upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::Route;
use crate::protocol::header::tokens;
use crate::protocol::{InvalidKey, Key, ScopePart};

use super::problem::{Executed, Problem, Retry, Slug};

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

/// The key of a request, if it carries one.
pub(super) fn key(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Key>, Problem> {
    let nominated = || is_nominated(headers, name);
    let mut lines = headers.get_all(name).into_iter();
    let parsed = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => Err(InvalidKey::SeveralLines),
        (Some(_), None) if nominated() => Err(InvalidKey::ConnectionNominated),
        (Some(line), None) => Key::parse(line.as_bytes()),
    };
    let refused = |why: InvalidKey| Problem::new(Slug::KeyInvalid, format!("{name}: {why}."));
    parsed.map(Some).map_err(refused)
}

/// Whether `Connection` names this header, so that it goes no further.
fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// The header of the route's scope that `Connection` names, if it names one.
pub(super) fn nominated_scope<'r>(route: &'r Route, headers: &HeaderMap) -> Option<&'r HeaderName> {
    let names = route.scope.iter().filter_map(|part| match part {
        ScopePart::Header(name) => Some(name),
        _ => None,
    });
    names.into_iter().find(|name| is_nominated(headers, name))
}

/// Whether a request is a call of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.get(..16)).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/grpc"))
}

/// A body that is read, and its share of the memory set aside for bodies.
pub(super) struct Buffered {
    pub(super) bytes: Bytes,
    pub(super) _share: OwnedSemaphorePermit,
}

/// The memory that bodies of protected requests may take together.
#[derive(Clone)]
pub(super) struct BodyBudget {
    shares: Arc<tokio::sync::Semaphore>,
    limit: usize,
    read_timeout: Duration,
}

/// One share of the budget, in bytes.
const SHARE: usize = 1024;

impl BodyBudget {
    /// Room for `bodies` bodies of up to `limit` bytes, each of which has to arrive within
    /// `read_timeout`.
    pub(super) fn new(bodies: usize, limit: usize, read_timeout: Duration) -> Self {
        let shares = bodies.saturating_mul(limit.div_ceil(SHARE).max(1));
        let shares = tokio::sync::Semaphore::new(shares.min(tokio::sync::Semaphore::MAX_PERMITS));
        Self { shares: Arc::new(shares), limit, read_timeout }
    }

    /// Reads a whole body, or says why not; a refusal ends the connection. `expects` says whether the client
    /// waits for "100 Continue".
    pub(super) async fn read(
        &self,
        expects: bool,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Buffered, Problem> {
        let declared =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > self.limit as u64) {
            leave_body(expects, body);
            return Err(self.too_large());
        }
        let reserved = declared.map_or(self.limit, |length| usize::try_from(length).unwrap_or(self.limit));
        let share = match self.reserve(reserved) {
            Ok(share) => share,
            Err(problem) => {
                leave_body(expects, body);
                return Err(problem);
            }
        };
        let bytes = match timeout(self.read_timeout, self.collect(body, declared)).await {
            Ok(collected) => collected?,
            Err(_) => return Err(too_slow()),
        };
        Ok(Buffered { bytes, _share: share })
    }

    fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let shares = u32::try_from(bytes.div_ceil(SHARE).max(1)).unwrap_or(u32::MAX);
        let reserved = Arc::clone(&self.shares).try_acquire_many_owned(shares);
        reserved.map_err(|_| Problem::overloaded().closing())
    }

    async fn collect(&self, mut body: Body, declared: Option<u64>) -> Result<Bytes, Problem> {
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            if first.len() + more.len() + data.len() > self.limit {
                drain(body);
                return Err(self.too_large());
            }
            // Most bodies arrive in one piece, which is then not copied.
            if first.is_empty() && more.is_empty() {
                first = data;
            } else {
                if more.is_empty() {
                    more.reserve(declared.map_or(0, |length| usize::try_from(length).unwrap_or(0)));
                    more.extend_from_slice(&std::mem::take(&mut first));
                }
                more.extend_from_slice(&data);
            }
        }
        Ok(if more.is_empty() { first } else { more.freeze() })
    }

    fn too_large(&self) -> Problem {
        let detail = format!("The body of a protected request may have {} bytes at most.", self.limit);
        Problem::new(Slug::RequestTooLarge, detail).closing()
    }
}

/// Reads on for a moment and throws away: a connection closed over unread data is reset, and the
/// reset would overtake the answer (RFC 9112, section 9.6).
fn drain(mut body: Body) {
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

fn too_slow() -> Problem {
    let detail = "The body did not arrive in time. Nothing was claimed and nothing was sent.";
    Problem::new(Slug::Http(StatusCode::REQUEST_TIMEOUT), detail).closing()
}

/// The client's own body is at fault.
fn broken_off() -> Problem {
    let detail = "The body ended early or is malformed. Nothing was claimed and nothing was sent.";
    // Sent whole, the same request may run.
    let problem = Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail);
    problem.advising(Executed::Unknown, Retry::SameKey).closing()
}
