//! Calls to one upstream: their time limits, and the meaning of their errors.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::select;

use crate::call::{CallError, CallLimit, MaySend, Unusable};
use crate::config::{Upstream, UpstreamName};
use crate::protocol::{Reason, Sent};
use crate::workers::PerWorker;

use super::call_timeout::CallTimeout;
use super::connector::Connector;
use super::lenient::{Lengths, MAX_LINES, is_canonical};
use super::pool::{Connection, Hold, Pool, Unanswered};
use super::timed_body::TimedBody;

/// A client of one upstream.
pub(super) struct Client {
    /// Connections of executions.
    executions: Pools,
    /// Connections of requests without protection. No such request can harm an execution through its
    /// connection.
    unprotected: Pools,
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    preserve_host: bool,
    connect_timeout: Duration,
    response_timeout: Duration,
    head_limit: usize,
}

type Pools = Arc<PerWorker<Arc<Pool>>>;

impl Client {
    pub(super) fn new(upstream: &Upstream, connector: Arc<Connector>) -> Self {
        let authority = upstream.url.authority().cloned().expect("a checked upstream URL names a host");
        let host = HeaderValue::from_str(authority.as_str()).expect("an authority is visible ASCII");
        let pools = || Arc::new(PerWorker::new(|| Pool::new(upstream, Arc::clone(&connector))));
        Self {
            executions: pools(),
            unprotected: pools(),
            scheme: upstream.url.scheme().cloned().unwrap_or(Scheme::HTTP),
            authority,
            host,
            preserve_host: upstream.preserve_host,
            connect_timeout: upstream.connect_timeout,
            response_timeout: upstream.response_timeout,
            head_limit: upstream.response_head_limit,
        }
    }

    /// Sends the request once. The body of the response keeps to the same limit as its head, unless its
    /// [`Deadline`](crate::call::Deadline) is lifted.
    pub(super) async fn call(
        &self,
        mut request: Request<Body>,
        limit: CallLimit,
    ) -> Result<Response<Body>, CallError> {
        if !self.preserve_host || !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        let timeout = CallTimeout::new(limit, self.response_timeout);
        let upstream = request.extensions().get::<UpstreamName>().cloned();
        let pool = match limit {
            // The whole body is in memory, and no progress lengthens the call.
            CallLimit::Whole => self.executions.here(),
            CallLimit::Silence => {
                let body = std::mem::take(request.body_mut());
                *request.body_mut() = Body::new(TimedBody::request(body, timeout.clone()));
                self.unprotected.here()
            }
        };
        let mut connection = match pool.take() {
            Some(connection) => connection,
            None => Box::pin(self.connect(pool)).await?,
        };
        let mut alarm = connection.take_alarm();
        timeout.start();
        let (mut response, hold) = select! {
            biased;
            answered = self.send(pool, connection, request)? => answered?,
            () = alarm.elapsed(&timeout) => return Err(failure(Sent::Maybe, Reason::ResponseTimeout)),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // The gateway never asks to switch, so this is no response to its request.
            return Err(failure(Sent::Maybe, Reason::BrokenAnswer));
        }
        if let Some(deadline) = timeout.deadline() {
            response.extensions_mut().insert(deadline);
        }
        Ok(response.map(|body| Body::new(TimedBody::response(body, hold, timeout, alarm, upstream))))
    }

    /// Sends the request, and returns a future of its response. A request that a kept connection hands back
    /// unwritten takes a new connection.
    fn send(
        &self,
        pool: &Arc<Pool>,
        connection: Connection,
        mut request: Request<Body>,
    ) -> Result<impl Future<Output = Result<(Response<Incoming>, Hold), CallError>>, CallError> {
        let (reused, mut http2) = (connection.is_reused(), connection.is_http2());
        // Dropped with the future, unless the response holds it.
        let alive = Arc::new(());
        check_may_send(&request)?;
        self.address_request(&mut request, http2);
        let answered = connection.send(request, pool, &alive);
        Ok(async move {
            let answered = match answered.await {
                Err(Unanswered { request: Some(mut request), .. }) if reused => {
                    let retry = async {
                        let connection = self.connect(pool).await?;
                        check_may_send(&request)?;
                        http2 = connection.is_http2();
                        self.address_request(&mut request, http2);
                        connection.send(request, pool, &alive).await.map_err(explain)
                    };
                    Box::pin(retry).await?
                }
                answered => answered.map_err(explain)?,
            };
            // The length of an HTTP/1 response was checked as its head came in.
            if http2 { self.with_canonical_length(answered) } else { Ok(answered) }
        })
    }

    /// Checks the length of an HTTP/2 response and writes it in canonical digits. Removes all headers if the
    /// head is over the limit.
    fn with_canonical_length(
        &self,
        (mut response, hold): (Response<Incoming>, Hold),
    ) -> Result<(Response<Incoming>, Hold), CallError> {
        let headers = response.headers_mut();
        set_canonical_length(headers)?;
        // Each line with its colon, its space and its end, as in HTTP/1.
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if headers.len() > MAX_LINES || bytes > self.head_limit {
            headers.clear();
            response.extensions_mut().insert(Unusable);
        }
        Ok((response, hold))
    }

    /// Makes a new connection.
    async fn connect(&self, pool: &Arc<Pool>) -> Result<Connection, CallError> {
        let connected = pool.connect(self.connect_timeout).await;
        connected.map_err(|source| CallError {
            sent: Sent::Never,
            reason: Reason::Unreachable,
            source: Some(source),
        })
    }

    /// Gives the request the form of the connection's protocol.
    fn address_request(&self, request: &mut Request<Body>, http2: bool) {
        let path = path_of(request.uri());
        set_canonical_request_length(request);
        if http2 {
            // The `Host` of HTTP/1 is the authority of HTTP/2.
            let host = request.headers_mut().remove(HOST);
            let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
            let mut target = http::uri::Parts::default();
            target.scheme = Some(self.scheme.clone());
            target.authority = Some(authority.unwrap_or_else(|| self.authority.clone()));
            target.path_and_query = Some(path);
            *request.uri_mut() = Uri::from_parts(target).expect("scheme, authority and path make a URI");
            *request.version_mut() = Version::HTTP_2;
            request.headers_mut().remove(TRANSFER_ENCODING);
            return;
        }
        if !request.headers().contains_key(HOST) {
            // A request that comes back from an HTTP/2 connection has its host in the authority.
            let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
            request.headers_mut().insert(HOST, host.unwrap_or_else(|| self.host.clone()));
        }
        *request.uri_mut() = Uri::from(path);
        *request.version_mut() = Version::HTTP_11;
        let sized =
            request.body().size_hint().exact().is_some() || request.headers().contains_key(CONTENT_LENGTH);
        if !sized {
            // For some methods the library sends no body of unknown length unless it is told to.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

/// Returns the path and query of a request. An absolute URL may have its query directly behind the
/// authority. The path is `/` then.
fn path_of(uri: &Uri) -> PathAndQuery {
    match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('?') => {
            PathAndQuery::try_from(format!("/{path}", path = path.as_str())).unwrap_or_else(|_| path.clone())
        }
        Some(path) => path.clone(),
        None => PathAndQuery::from_static("/"),
    }
}

/// Writes the length of a request in canonical digits, which cannot be read in two ways. A method that
/// usually has a body gets a length also without one (RFC 9110, 8.6).
fn set_canonical_request_length(request: &mut Request<Body>) {
    let means_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let declared = request.headers().get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    let number = || str::from_utf8(declared?).ok()?.parse().ok();
    let length = match (request.body().size_hint().exact(), declared) {
        (Some(0), None) if means_body => Some(0),
        (_, None) => None,
        // Most clients write it so.
        (size, Some(digits)) if is_canonical(digits) && (size.is_none() || size == number()) => None,
        (Some(length), Some(_)) => Some(length),
        (None, Some(_)) => number(),
    };
    if let Some(length) = length {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Reduces the lengths of an HTTP/2 response to one, in canonical digits.
///
/// # Errors
/// Returns an error if the lengths differ, or one is no number.
fn set_canonical_length(headers: &mut HeaderMap) -> Result<(), CallError> {
    headers.remove(TRANSFER_ENCODING);
    let mut lengths = Lengths::default();
    headers.get_all(CONTENT_LENGTH).iter().for_each(|value| lengths.add(value.as_bytes()));
    match lengths.single() {
        Ok(Some(length)) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        Ok(None) => {}
        Err(_) => return Err(failure(Sent::Maybe, Reason::BrokenAnswer)),
    }
    Ok(())
}

/// Checks that the execution may still send this request.
fn check_may_send(request: &Request<Body>) -> Result<(), CallError> {
    match request.extensions().get::<MaySend>() {
        Some(may_send) if !may_send.holds() => Err(failure(Sent::Never, Reason::LeaseOver)),
        _ => Ok(()),
    }
}

fn failure(sent: Sent, reason: Reason) -> CallError {
    CallError { sent, reason, source: None }
}

/// Translates an error of a connection. *Never sent* needs proof: no byte of the request was written, or
/// an HTTP/2 upstream says that it did not process the request. In all other cases the request may have
/// been sent.
fn explain(Unanswered { written, error, .. }: Unanswered) -> CallError {
    let (sent, reason) = if !written || is_refused(&error) {
        (Sent::Never, Reason::Unreachable)
    } else if error.is_parse() || is_unreadable(&error) {
        (Sent::Maybe, Reason::BrokenAnswer)
    } else {
        (Sent::Maybe, Reason::ConnectionLost)
    };
    CallError { sent, reason, source: Some(Box::new(error)) }
}

/// Tells whether [`super::lenient`] found the response broken.
fn is_unreadable(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

/// Tells whether the upstream itself says that it did not process the request: it refused the stream
/// (RFC 9113, 8.7), or sent GOAWAY with a lower last stream (6.8). The library gives that error of
/// GOAWAY to no other stream: streams below it end with an error of the connection, or with an error of
/// the library.
fn is_refused(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        cause.is_remote() && (refused || cause.is_go_away())
    })
}
