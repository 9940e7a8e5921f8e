//! Connections to one upstream, kept for the next request.
//!
//! The gateway has its own pool because the pool has to tell whether a request was provably never sent.
//! When a kept connection is closed at the moment of a request, the library hands the request back if it
//! has not begun to write it. Such a request takes another connection, because no byte of it was sent. A
//! request of which a byte may have been sent is never sent again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::either::Either;
use tower::{BoxError, ServiceExt};

use crate::buffers::HEADER_BUFFER;
use crate::call::Unusable;
use crate::config::Upstream;

use super::call_timeout::Alarm;
use super::connector::{Connect, Connector};
use super::lenient::{Lenient, Link, ResponseHead};
use super::shared::{CancellableBody, SharedConnection};

/// The connections to one upstream.
pub(super) struct Pool {
    origin: Uri,
    connector: Arc<Connector>,
    http2: bool,
    /// Time for which an idle connection is kept.
    idle: Duration,
    /// Maximum size of the head of a response, in bytes.
    head_limit: usize,
    /// True if the upstream last chose HTTP/1 when both protocols were offered.
    http1: AtomicBool,
    /// Held while a connection is made that other requests will share.
    connecting: tokio::sync::Mutex<()>,
    pooled: Mutex<PooledConnections>,
}

#[derive(Default)]
struct PooledConnections {
    /// The idle connections of HTTP/1, the oldest first.
    idle: VecDeque<(ExclusiveConnection, Instant)>,
    /// The connections of HTTP/2.
    shared: Vec<SharedConnection>,
    /// True while a task removes the connections that are too old.
    has_reaper: bool,
}

/// A connection of HTTP/1, and the service that made it.
pub(super) struct ExclusiveConnection {
    sender: http1::SendRequest<Body>,
    link: Link,
    made_by: Arc<Connect>,
    alarm: Alarm,
}

/// A connection, for one request.
pub(super) struct Connection {
    pooled: bool,
    protocol: Protocol,
}

enum Protocol {
    Http1(ExclusiveConnection),
    Http2(http2::SendRequest<Body>, Arc<()>),
}

/// A request's hold on its connection, up to the end of the response.
pub(super) enum Hold {
    /// A connection of its own. Dropping it closes the connection, because the rest of the response was
    /// not read.
    Http1(Arc<Pool>, ExclusiveConnection),
    /// A place on a shared connection. Dropping it makes room for another request, and resets this one
    /// if it still goes on.
    Http2 { _user: Arc<()>, _alive: Arc<()> },
}

/// Error of a request that got no response.
pub(super) struct Unanswered {
    /// The request, if the library gave it back unwritten.
    pub(super) request: Option<Request<Body>>,
    /// True if a byte of the request may have been written.
    pub(super) written: bool,
    pub(super) error: hyper::Error,
}

impl Pool {
    pub(super) fn new(upstream: &Upstream, connector: Arc<Connector>) -> Arc<Self> {
        Arc::new(Self {
            origin: upstream.url.clone(),
            connector,
            http2: upstream.http2,
            idle: upstream.idle_timeout,
            head_limit: upstream.response_head_limit,
            http1: AtomicBool::new(false),
            connecting: tokio::sync::Mutex::default(),
            pooled: Mutex::default(),
        })
    }

    /// Takes a kept connection, if there is one.
    pub(super) fn take(&self) -> Option<Connection> {
        let connect = self.connector.current();
        self.pooled.lock().take(&connect, self.idle)
    }

    /// Makes a new connection within `limit`, or takes one that another request has just made to be
    /// shared.
    ///
    /// # Errors
    /// Returns an error if no connection could be made. No byte of the request was sent then.
    pub(super) async fn connect(self: &Arc<Self>, limit: Duration) -> Result<Connection, BoxError> {
        if !self.http2 || self.http1.load(Ordering::Relaxed) {
            return timeout(limit, self.make()).await?;
        }
        // A connection that others will share is made in a task of its own. Otherwise a request that
        // gets its turn late would give up the connection when its own patience ends, and so would each
        // next request, for ever.
        let (reply, replied) = oneshot::channel();
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let _guard = pool.connecting.lock().await;
            if reply.is_closed() {
                return;
            }
            let connection = match pool.take() {
                Some(connection) => Ok(connection),
                None => timeout(limit, pool.make()).await.unwrap_or_else(|late| Err(late.into())),
            };
            // The request may have been given up. The connection is there for the next one.
            drop(reply.send(connection));
        });
        timeout(limit, replied).await??
    }

    async fn make(self: &Arc<Self>) -> Result<Connection, BoxError> {
        let connect = self.connector.current();
        let stream = Connect::clone(&connect).oneshot(self.origin.clone()).await?;
        let negotiated = stream.connected().is_negotiated_h2();
        let encrypted = self.origin.scheme() == Some(&Scheme::HTTPS);
        self.http1.store(!negotiated && encrypted, Ordering::Relaxed);
        let protocol = if negotiated || (self.http2 && !encrypted) {
            let mut shared = SharedConnection::begin(stream, connect, self.head_limit).await?;
            let (sender, user) = shared.share().ok_or("it allows no requests")?;
            self.keep(|pooled| pooled.shared.push(shared));
            Protocol::Http2(sender, user)
        } else {
            let mut builder = http1::Builder::new();
            // The size of the buffer is also the number of bytes of a body that are read at once. The
            // default of half a MiB would be held many times on the way to a client.
            builder.max_buf_size(HEADER_BUFFER);
            let (stream, link) = Lenient::new(TokioIo::new(stream), self.head_limit);
            let (sender, connection) = builder.handshake::<_, Body>(TokioIo::new(stream)).await?;
            tokio::spawn(async move { drop(connection.await) });
            Protocol::Http1(ExclusiveConnection { sender, link, made_by: connect, alarm: Alarm::default() })
        };
        Ok(Connection { pooled: false, protocol })
    }

    fn keep(self: &Arc<Self>, add: impl FnOnce(&mut PooledConnections)) {
        let mut pooled = self.pooled.lock();
        add(&mut pooled);
        if !std::mem::replace(&mut pooled.has_reaper, true) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }
}

impl PooledConnections {
    /// Drops the connections that are too old, closed, or made with earlier certificates.
    fn remove_unusable(&mut self, connect: &Arc<Connect>, idle: Duration) {
        self.idle.retain(|(exclusive, since)| {
            !exclusive.sender.is_closed()
                && since.elapsed() < idle
                && Arc::ptr_eq(&exclusive.made_by, connect)
        });
        self.shared.retain_mut(|shared| shared.is_usable(connect, idle));
    }

    fn take(&mut self, connect: &Arc<Connect>, idle: Duration) -> Option<Connection> {
        let protocol = match self.take_idle(connect, idle) {
            Some(exclusive) => Protocol::Http1(exclusive),
            None => {
                let mut fit = self
                    .shared
                    .iter_mut()
                    .filter_map(|shared| shared.is_usable(connect, idle).then_some(shared));
                let (sender, user) = fit.find_map(SharedConnection::share)?;
                Protocol::Http2(sender, user)
            }
        };
        Some(Connection { pooled: true, protocol })
    }

    /// Takes the connection that was used last, so that the others grow old.
    fn take_idle(&mut self, connect: &Arc<Connect>, idle: Duration) -> Option<ExclusiveConnection> {
        let now = Instant::now();
        let mut young = self.idle.iter().enumerate().rev().take_while(|(_, (_, since))| now - *since < idle);
        let usable = |exclusive: &ExclusiveConnection| {
            exclusive.sender.is_ready() && Arc::ptr_eq(&exclusive.made_by, connect)
        };
        let newest = young.find(|(_, (exclusive, _))| usable(exclusive)).map(|(at, _)| at)?;
        self.idle.remove(newest).map(|(exclusive, _)| exclusive)
    }
}

/// Removes old connections as long as any connection is kept.
async fn reap(pool: Weak<Pool>) {
    while let Some(pool) = pool.upgrade() {
        let idle = pool.idle;
        {
            let connect = pool.connector.current();
            let mut pooled = pool.pooled.lock();
            pooled.remove_unusable(&connect, idle);
            if pooled.idle.is_empty() && pooled.shared.is_empty() {
                pooled.has_reaper = false;
                return;
            }
        }
        drop(pool);
        sleep(idle / 4).await;
    }
}

impl Connection {
    /// Tells whether another request has used the connection before.
    pub(super) fn is_reused(&self) -> bool {
        self.pooled
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.protocol, Protocol::Http2(..))
    }

    /// Takes the timer that the connection keeps for its calls.
    pub(super) fn take_alarm(&mut self) -> Alarm {
        match &mut self.protocol {
            Protocol::Http1(exclusive) => std::mem::take(&mut exclusive.alarm),
            Protocol::Http2(..) => Alarm::default(),
        }
    }

    /// Sends a request that is wanted as long as `alive` lives. Returns a future of the head of the
    /// response, and of the hold on the connection.
    ///
    /// # Errors
    /// Returns the request too, if no byte of it was written.
    pub(super) fn send(
        self,
        request: Request<Body>,
        pool: &Arc<Pool>,
        alive: &Arc<()>,
    ) -> impl Future<Output = Result<(Response<Incoming>, Hold), Unanswered>> + use<> {
        match self.protocol {
            Protocol::Http1(mut exclusive) => {
                exclusive.link.announce(request.method() == Method::HEAD);
                let (response, pool) = (exclusive.sender.try_send_request(request), Arc::clone(pool));
                Either::Left(async move {
                    let response = response.await;
                    let response =
                        response.map_err(|error| Unanswered::new(error, !exclusive.link.is_unwritten()))?;
                    let response = with_headers(response, exclusive.link.take());
                    Ok((response, Hold::Http1(pool, exclusive)))
                })
            }
            Protocol::Http2(mut sender, user) => {
                let request = request.map(|body| Body::new(CancellableBody::new(body, alive)));
                let (response, alive) = (sender.try_send_request(request), Arc::clone(alive));
                Either::Right(async move {
                    let response = response.await.map_err(|error| Unanswered::new(error, true))?;
                    Ok((response, Hold::Http2 { _user: user, _alive: alive }))
                })
            }
        }
    }
}

impl Unanswered {
    fn new(mut error: TrySendError<Request<Body>>, written: bool) -> Self {
        let request = error.take_message();
        Self { written: written && request.is_none(), request, error: error.into_error() }
    }
}

/// Gives a response its original header lines. The library has seen only its framing.
fn with_headers(mut response: Response<Incoming>, head: Option<ResponseHead>) -> Response<Incoming> {
    response.headers_mut().clear();
    let ResponseHead { reason, headers } = head.unwrap_or(ResponseHead { reason: None, headers: None });
    response.extensions_mut().clear();
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    match headers {
        Some(headers) => *response.headers_mut() = headers,
        None => drop(response.extensions_mut().insert(Unusable)),
    }
    response
}

impl Hold {
    /// Keeps the connection, and the timer of its calls, for the next request. The response was read to its
    /// end.
    pub(super) fn finish(self, alarm: Alarm) {
        if let Self::Http1(pool, mut exclusive) = self
            && !exclusive.sender.is_closed()
        {
            exclusive.alarm = alarm;
            pool.keep(|pooled| pooled.idle.push_back((exclusive, Instant::now())));
        }
    }
}
