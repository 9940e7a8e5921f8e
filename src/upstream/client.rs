//! One upstream: the time limits of a call, and what its errors mean.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::select;

use crate::config::Upstream;
use crate::protocol::header::tokens;
use crate::protocol::{CallError, CallLimit, Reason, Sent};
use crate::workers::PerWorker;

use super::patience::{Patience, Watched};
use super::pool::{Connection, Connector, Hold, Pool};

/// A client of one upstream. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    pools: Arc<PerWorker<Arc<Pool>>>,
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    preserve_host: bool,
    connect_timeout: Duration,
    response_timeout: Duration,
}

impl Client {
    pub(super) fn new(upstream: &Upstream, connector: Arc<Connector>) -> Self {
        let authority = upstream.url.authority().cloned().expect("a checked upstream URL names a host");
        let host = HeaderValue::from_str(authority.as_str()).expect("an authority is visible ASCII");
        Self {
            pools: Arc::new(PerWorker::new(|| {
                Pool::new(upstream.url.clone(), Arc::clone(&connector), upstream.http2)
            })),
            scheme: upstream.url.scheme().cloned().unwrap_or(Scheme::HTTP),
            authority,
            host,
            preserve_host: upstream.preserve_host,
            connect_timeout: upstream.connect_timeout,
            response_timeout: upstream.response_timeout,
        }
    }

    /// Sends the request once. The body of the answer keeps to the same limit as its head.
    pub(super) async fn call(
        &self,
        mut request: Request<Body>,
        limit: CallLimit,
    ) -> Result<Response<Body>, CallError> {
        if !self.preserve_host || !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        let patience = Patience::new(limit, self.response_timeout);
        let request = match limit {
            // All of it is there, and no progress lengthens the call.
            CallLimit::Whole => request,
            CallLimit::Silence => request.map(|body| Body::new(Watched::request(body, patience.clone()))),
        };
        let connection = match self.pools.here().kept() {
            Some(connection) => connection,
            None => Box::pin(self.connected()).await?,
        };
        patience.start();
        let (mut response, hold) = select! {
            biased;
            answered = self.send(connection, request) => answered?,
            () = patience.ended() => return Err(failure(Sent::Maybe, Reason::ResponseTimeout)),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked to switch, so this answers nothing that was asked.
            return Err(failure(Sent::Maybe, Reason::BrokenAnswer));
        }
        settle_length(response.headers_mut())?;
        Ok(response.map(|body| Body::new(Watched::response(body, hold, patience))))
    }

    /// Writes the request once: one that a kept connection hands back unwritten takes a new one.
    async fn send(
        &self,
        connection: Connection,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Hold), CallError> {
        let (kept, pool) = (connection.was_kept(), self.pools.here());
        // Gone with this future, unless the answer holds it.
        let wants = Arc::new(());
        let request = self.addressed(request, connection.is_http2());
        let mut error = match connection.send(request, pool, &wants).await {
            Ok(answered) => return Ok(answered),
            Err(error) => error,
        };
        match (kept, error.take_message()) {
            (true, Some(request)) => {
                let again = async {
                    let connection = self.connected().await?;
                    let request = self.addressed(request, connection.is_http2());
                    let sent = connection.send(request, pool, &wants).await;
                    sent.map_err(|error| explain(error.message().is_some(), error.into_error()))
                };
                Box::pin(again).await
            }
            (_, unwritten) => Err(explain(unwritten.is_some(), error.into_error())),
        }
    }

    /// A new connection.
    async fn connected(&self) -> Result<Connection, CallError> {
        let connected = self.pools.here().connect(self.connect_timeout).await;
        connected.map_err(|source| CallError {
            sent: Sent::Never,
            reason: Reason::Unreachable,
            source: Some(source),
        })
    }

    /// The request in the form that the connection's protocol has for it.
    fn addressed(&self, mut request: Request<Body>, http2: bool) -> Request<Body> {
        let path = request.uri().path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if http2 {
            // What HTTP/1 has in `Host` is the authority of HTTP/2.
            let host = request.headers_mut().remove(HOST);
            let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
            let mut target = http::uri::Parts::default();
            target.scheme = Some(self.scheme.clone());
            target.authority = Some(authority.unwrap_or_else(|| self.authority.clone()));
            target.path_and_query = Some(path);
            *request.uri_mut() = Uri::from_parts(target).expect("scheme, authority and path make a URI");
            *request.version_mut() = Version::HTTP_2;
            request.headers_mut().remove(TRANSFER_ENCODING);
            return request;
        }
        // One that comes back from HTTP/2 has its host there.
        let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        *request.uri_mut() = Uri::from(path);
        *request.version_mut() = Version::HTTP_11;
        let sized =
            request.body().size_hint().exact().is_some() || request.headers().contains_key(CONTENT_LENGTH);
        if !sized {
            // Of some methods the library sends no body of unknown length unless it is told to.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        request.headers_mut().entry(HOST).or_insert_with(|| host.unwrap_or_else(|| self.host.clone()));
        request
    }
}

/// Leaves an answer one statement about its length, the one by which the library reads it: where there is a
/// transfer coding, that counts (RFC 9112, 6.3), and whoever passed the other on would have the next answer
/// on the connection begin in the middle of this one.
///
/// # Errors
/// The coding is not just `chunked`. No other was asked for, and the body would be taken for what it is not.
fn settle_length(headers: &mut HeaderMap) -> Result<(), CallError> {
    let mut codings = tokens(headers, &TRANSFER_ENCODING);
    if let Some(coding) = codings.next() {
        if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
            return Err(failure(Sent::Maybe, Reason::BrokenAnswer));
        }
        drop(codings);
        headers.remove(CONTENT_LENGTH);
        return Ok(());
    }
    drop(codings);
    let mut lengths = tokens(headers, &CONTENT_LENGTH);
    let (first, repeated) = (lengths.next().map(HeaderValue::from_bytes), lengths.next().is_some());
    drop(lengths);
    if let (Some(Ok(length)), true) = (first, repeated) {
        headers.insert(CONTENT_LENGTH, length);
    }
    Ok(())
}

fn failure(sent: Sent, reason: Reason) -> CallError {
    CallError { sent, reason, source: None }
}

/// What an error of a connection means. *Never sent* needs proof: the request was handed back unwritten,
/// or an HTTP/2 upstream says that it refused the stream. Everything else may have been sent.
fn explain(unwritten: bool, error: hyper::Error) -> CallError {
    let (sent, reason) = if unwritten || is_refused(&error) {
        (Sent::Never, Reason::Unreachable)
    } else if error.is_parse() {
        (Sent::Maybe, Reason::BrokenAnswer)
    } else {
        (Sent::Maybe, Reason::ConnectionLost)
    };
    CallError { sent, reason, source: Some(Box::new(error)) }
}

/// The upstream's own word that it has not looked at the request (RFC 9113, 8.7).
fn is_refused(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_reset() && cause.is_remote() && cause.reason() == Some(h2::Reason::REFUSED_STREAM)
    })
}
