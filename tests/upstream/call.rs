//! One client of one upstream, and the result of its calls.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use oncegate::call::{CallError, CallLimit, Unusable};
use oncegate::config::{Upstream, UpstreamName};
use oncegate::protocol::{Reason, Sent};
use oncegate::upstream::Proxy;
use tower::ServiceExt;

/// The body of most requests here.
pub const PAYLOAD: &str = r#"{"amount":700,"currency":"eur"}"#;

/// A client of one upstream with a pool of its own.
#[derive(Clone)]
pub struct Caller(Proxy);

/// A complete response.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// True if the head cannot be passed on.
    pub unusable: bool,
}

impl Caller {
    pub fn new(upstream: Upstream) -> Self {
        Self(Proxy::new(&[(name(), upstream)].into()).expect("a trusted upstream"))
    }

    pub fn of(proxy: Proxy) -> Self {
        Self(proxy)
    }

    /// Makes a client with time limits that no test reaches.
    pub fn patient(address: SocketAddr) -> Self {
        Self::new(plain(address))
    }

    /// Makes a client that waits `response_timeout` for a response.
    pub fn impatient(address: SocketAddr, response_timeout: Duration) -> Self {
        Self::new(Upstream { response_timeout, ..plain(address) })
    }

    /// Sends a small POST and reads its response to the last byte.
    pub async fn post(&self) -> Result<Answer, CallError> {
        self.call(post(PAYLOAD), CallLimit::Whole).await
    }

    pub async fn call(&self, mut request: Request<Body>, limit: CallLimit) -> Result<Answer, CallError> {
        request.extensions_mut().insert(name());
        request.extensions_mut().insert(limit);
        let (head, body) = self.0.clone().oneshot(request).await?.into_parts();
        let body = body.collect().await.map_err(|error| {
            *error.into_inner().downcast::<CallError>().expect("the client's own word for what happened")
        })?;
        let unusable = head.extensions.get::<Unusable>().is_some();
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), unusable })
    }
}

pub fn post(body: impl Into<Body>) -> Request<Body> {
    request(Method::POST, body)
}

pub fn request(method: Method, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri("/v1/charges").header("idempotency-key", "k1");
    request.body(body.into()).expect("a well-formed request")
}

pub fn plain(address: SocketAddr) -> Upstream {
    upstream(&format!("http://{address}"), None)
}

pub fn upstream(url: &str, ca: Option<PathBuf>) -> Upstream {
    Upstream {
        url: url.parse::<Uri>().expect("a URL"),
        ca,
        identity: None,
        http2: false,
        connect_timeout: Duration::from_secs(20),
        response_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(4),
        response_head_limit: 256 << 10,
        preserve_host: false,
        rewrite_location: true,
    }
}

fn name() -> UpstreamName {
    UpstreamName::new("payments")
}

/// Checks that the call failed and that the request was provably not sent.
#[track_caller]
pub fn assert_never_sent(called: Result<Answer, CallError>) {
    let error = called.expect_err("no answer");
    assert_eq!((error.sent, error.reason), (Sent::Never, Reason::Unreachable), "{:?}", error.source);
}

/// Checks that the call failed for one of these reasons, and that the upstream may have acted.
#[track_caller]
pub fn assert_maybe_sent(called: Result<Answer, CallError>, reasons: &[Reason]) {
    let error = called.expect_err("no usable answer");
    assert_eq!(error.sent, Sent::Maybe, "{:?}: {:?}", error.reason, error.source);
    assert!(reasons.contains(&error.reason), "{:?}: {:?}", error.reason, error.source);
}
