//! One upstream: a connection pool, the time limits of a call, and what its errors mean.

use std::error::Error as _;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client as PooledClient, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::select;
use tokio::time::{Instant, sleep_until};

use crate::config::Upstream;
use crate::protocol::{CallError, CallLimit, Reason, Sent};

use super::patience::{Patience, Watched};
use super::tls::{TlsError, connector};

/// How long an idle connection is kept. Shorter than the keep-alive of common servers (5 s), so
/// that a request rarely meets a connection that is just being closed: whether it was read there
/// could not be known.
const IDLE: Duration = Duration::from_secs(4);

/// A client of one upstream. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    pool: PooledClient<HttpsConnector<HttpConnector>, Body>,
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    preserve_host: bool,
    connect_timeout: Duration,
    response_timeout: Duration,
}

impl Client {
    pub(super) fn new(upstream: &Upstream) -> Result<Self, TlsError> {
        let authority = upstream.url.authority().cloned().expect("a checked upstream URL names a host");
        let host = HeaderValue::from_str(authority.as_str()).expect("an authority is visible ASCII");
        let pool = PooledClient::builder(TokioExecutor::new())
            // Every execution passes the claim; a client that sends again by itself does not.
            .retry_canceled_requests(false)
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
            .http1_max_headers(256)
            .build(connector(upstream)?);
        Ok(Self {
            pool,
            scheme: upstream.url.scheme().cloned().unwrap_or(Scheme::HTTP),
            authority,
            host,
            preserve_host: upstream.preserve_host,
            connect_timeout: upstream.connect_timeout,
            response_timeout: upstream.response_timeout,
        })
    }

    /// Sends the request once. The body of the answer keeps to the same limit as its head.
    pub(super) async fn call(
        &self,
        request: Request<Body>,
        limit: CallLimit,
    ) -> Result<Response<Body>, CallError> {
        let patience = Patience::new(limit, self.response_timeout);
        let mut request =
            self.addressed(request).map(|body| Body::new(Watched::request(body, patience.clone())));
        let mut connection = capture_connection(&mut request);
        let mut answer = std::pin::pin!(self.pool.request(request));
        let connect_by = Instant::now() + self.connect_timeout;
        let early = select! {
            biased;
            answered = &mut answer => Some(answered),
            _ = connection.wait_for_connection_metadata() => None,
            () = sleep_until(connect_by) => None,
        };
        patience.start();
        let answered = match early {
            Some(answered) => answered,
            None if connection.connection_metadata().is_none() => {
                return Err(failure(Sent::Never, Reason::Unreachable));
            }
            None => select! {
                biased;
                answered = &mut answer => answered,
                () = patience.ended() => return Err(failure(Sent::Maybe, Reason::ResponseTimeout)),
            },
        };
        let response = answered.map_err(explain)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked to switch, so this answers nothing that was asked.
            return Err(failure(Sent::Maybe, Reason::BrokenAnswer));
        }
        Ok(response.map(|body| Body::new(Watched::response(Body::new(body), patience))))
    }

    /// The request with this upstream as its target.
    fn addressed(&self, mut request: Request<Body>) -> Request<Body> {
        let path = request.uri().path_and_query().cloned();
        let mut target = http::uri::Parts::default();
        target.scheme = Some(self.scheme.clone());
        target.authority = Some(self.authority.clone());
        target.path_and_query = path.or_else(|| Some(http::uri::PathAndQuery::from_static("/")));
        let target = Uri::from_parts(target).expect("scheme, authority and path make a URI");
        *request.uri_mut() = target;
        *request.version_mut() = Version::HTTP_11;
        let sized =
            request.body().size_hint().exact().is_some() || request.headers().contains_key(CONTENT_LENGTH);
        if !sized {
            // Of some methods the library sends no body of unknown length unless it is told to.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if !self.preserve_host || !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        request
    }
}

fn failure(sent: Sent, reason: Reason) -> CallError {
    CallError { sent, reason, source: None }
}

/// What an error of the pool means. *Never sent* needs proof: no connection was made, or the
/// request was handed back unwritten. Everything else may have been sent.
fn explain(error: Error) -> CallError {
    let inner = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    let handed_back = inner.is_some_and(hyper::Error::is_canceled);
    let unparseable = inner.is_some_and(hyper::Error::is_parse);
    let (sent, reason) = if error.is_connect() || error.connect_info().is_none() || handed_back {
        (Sent::Never, Reason::Unreachable)
    } else if unparseable {
        (Sent::Maybe, Reason::BrokenAnswer)
    } else {
        (Sent::Maybe, Reason::ConnectionLost)
    };
    CallError { sent, reason, source: Some(Box::new(error)) }
}
