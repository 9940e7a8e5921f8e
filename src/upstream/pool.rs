//! Connections to one upstream, kept for the next request.
//!
//! The gateway has its own pool because the pool has to tell whether a request was provably never sent.
//! When a kept connection is closed at the moment of a request, the library hands the request back if it
//! has not begun to write it. Such a request takes another connection, because no byte of it was sent. A
//! request of which a byte may have been sent is never sent again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tower::{BoxError, ServiceExt};

use crate::call::Unusable;
use crate::config::{HEADER_BUFFER, Upstream};

use super::connector::{Connect, Connector};
use super::lenient::{Answered, Lenient, Line};
use super::shared::{Shared, Wanted};

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
    turn: tokio::sync::Mutex<()>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The idle connections of HTTP/1, the oldest first.
    idle: VecDeque<(Alone, Instant)>,
    /// The connections of HTTP/2.
    shared: Vec<Shared>,
    /// True while a task removes the connections that are too old.
    reaped: bool,
}

/// A connection of HTTP/1, and the service that made it.
pub(super) struct Alone {
    sender: http1::SendRequest<Body>,
    line: Line,
    made_by: Arc<Connect>,
}

/// A connection, for one request.
pub(super) struct Connection {
    kept: bool,
    speaks: Speaks,
}

enum Speaks {
    Http1(Alone),
    Http2(http2::SendRequest<Body>, Arc<()>),
}

/// A request's hold on its connection, up to the end of the response.
pub(super) enum Hold {
    /// A connection of its own. Dropping it closes the connection, because the rest of the response was
    /// not read.
    Http1(Arc<Pool>, Alone),
    /// A place on a shared connection. Dropping it makes room for another request, and resets this one
    /// if it still goes on.
    Http2 { _user: Arc<()>, _wants: Arc<()> },
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
            turn: tokio::sync::Mutex::default(),
            kept: Mutex::default(),
        })
    }

    /// Takes a kept connection, if there is one.
    pub(super) fn kept(&self) -> Option<Connection> {
        let connect = self.connector.current();
        self.lock().take(&connect, self.idle)
    }

    /// Makes a new connection within `patience`, or takes one that another request has just made to be
    /// shared.
    ///
    /// # Errors
    /// Returns an error if no connection could be made. No byte of the request was sent then.
    pub(super) async fn connect(self: &Arc<Self>, patience: Duration) -> Result<Connection, BoxError> {
        if !self.http2 || self.http1.load(Ordering::Relaxed) {
            return timeout(patience, self.make()).await?;
        }
        // A connection that others will share is made in a task of its own. Otherwise a request that
        // gets its turn late would give up the connection when its own patience ends, and so would each
        // next request, for ever.
        let (tell, told) = oneshot::channel();
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = pool.turn.lock().await;
            if tell.is_closed() {
                return;
            }
            let connection = match pool.kept() {
                Some(connection) => Ok(connection),
                None => timeout(patience, pool.make()).await.unwrap_or_else(|late| Err(late.into())),
            };
            // The request may have been given up. The connection is there for the next one.
            drop(tell.send(connection));
        });
        timeout(patience, told).await??
    }

    async fn make(self: &Arc<Self>) -> Result<Connection, BoxError> {
        let connect = self.connector.current();
        let stream = Connect::clone(&connect).oneshot(self.origin.clone()).await?;
        let negotiated = stream.connected().is_negotiated_h2();
        let encrypted = self.origin.scheme() == Some(&Scheme::HTTPS);
        self.http1.store(!negotiated && encrypted, Ordering::Relaxed);
        let speaks = if negotiated || (self.http2 && !encrypted) {
            let mut shared = Shared::begin(stream, connect, self.head_limit).await?;
            let (sender, user) = shared.share().ok_or("it allows no requests")?;
            self.keep(|kept| kept.shared.push(shared));
            Speaks::Http2(sender, user)
        } else {
            let mut builder = http1::Builder::new();
            // The size of the buffer is also the number of bytes of a body that are read at once. The
            // default of half a MiB would be held many times on the way to a client.
            builder.max_buf_size(HEADER_BUFFER);
            let (stream, line) = Lenient::new(TokioIo::new(stream), self.head_limit);
            let (sender, connection) = builder.handshake::<_, Body>(TokioIo::new(stream)).await?;
            tokio::spawn(async move { drop(connection.await) });
            Speaks::Http1(Alone { sender, line, made_by: connect })
        };
        Ok(Connection { kept: false, speaks })
    }

    fn keep(self: &Arc<Self>, what: impl FnOnce(&mut Kept)) {
        let mut kept = self.lock();
        what(&mut kept);
        if !std::mem::replace(&mut kept.reaped, true) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Drops the connections that are too old, closed, or made with earlier certificates.
    fn tidy(&mut self, connect: &Arc<Connect>, idle: Duration) {
        self.idle.retain(|(alone, since)| {
            !alone.sender.is_closed() && since.elapsed() < idle && Arc::ptr_eq(&alone.made_by, connect)
        });
        self.shared.retain_mut(|shared| shared.is_fit(connect, idle));
    }

    fn take(&mut self, connect: &Arc<Connect>, idle: Duration) -> Option<Connection> {
        let speaks = match self.take_idle(connect, idle) {
            Some(alone) => Speaks::Http1(alone),
            None => {
                let mut fit = self
                    .shared
                    .iter_mut()
                    .filter_map(|shared| shared.is_fit(connect, idle).then_some(shared));
                let (sender, user) = fit.find_map(Shared::share)?;
                Speaks::Http2(sender, user)
            }
        };
        Some(Connection { kept: true, speaks })
    }

    /// Takes the connection that was used last, so that the others grow old.
    fn take_idle(&mut self, connect: &Arc<Connect>, idle: Duration) -> Option<Alone> {
        let now = Instant::now();
        let mut young = self.idle.iter().enumerate().rev().take_while(|(_, (_, since))| now - *since < idle);
        let usable = |alone: &Alone| alone.sender.is_ready() && Arc::ptr_eq(&alone.made_by, connect);
        let newest = young.find(|(_, (alone, _))| usable(alone)).map(|(at, _)| at)?;
        self.idle.remove(newest).map(|(alone, _)| alone)
    }
}

/// Removes old connections as long as any connection is kept.
async fn reap(pool: Weak<Pool>) {
    while let Some(pool) = pool.upgrade() {
        let idle = pool.idle;
        {
            let connect = pool.connector.current();
            let mut kept = pool.lock();
            kept.tidy(&connect, idle);
            if kept.idle.is_empty() && kept.shared.is_empty() {
                kept.reaped = false;
                return;
            }
        }
        drop(pool);
        sleep(idle / 4).await;
    }
}

impl Connection {
    /// Tells whether another request has used the connection before.
    pub(super) fn was_kept(&self) -> bool {
        self.kept
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.speaks, Speaks::Http2(..))
    }

    /// Sends a request that is wanted as long as `wants` lives. Returns the head of the response, and
    /// the hold on the connection.
    ///
    /// # Errors
    /// Returns the request too, if no byte of it was written.
    pub(super) async fn send(
        self,
        request: Request<Body>,
        pool: &Arc<Pool>,
        wants: &Arc<()>,
    ) -> Result<(Response<Incoming>, Hold), Unanswered> {
        match self.speaks {
            Speaks::Http1(mut alone) => {
                alone.line.announce(request.method() == Method::HEAD);
                let response = alone.sender.try_send_request(request).await;
                let response =
                    response.map_err(|error| Unanswered::new(error, !alone.line.is_unwritten()))?;
                let response = with_headers(response, alone.line.take());
                Ok((response, Hold::Http1(Arc::clone(pool), alone)))
            }
            Speaks::Http2(mut sender, user) => {
                let request = request.map(|body| Body::new(Wanted::new(body, wants)));
                let response = sender.try_send_request(request).await;
                let response = response.map_err(|error| Unanswered::new(error, true))?;
                Ok((response, Hold::Http2 { _user: user, _wants: Arc::clone(wants) }))
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
fn with_headers(mut response: Response<Incoming>, answered: Option<Answered>) -> Response<Incoming> {
    response.headers_mut().clear();
    let Answered { reason, headers } = answered.unwrap_or(Answered { reason: None, headers: None });
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
    /// Keeps the connection for the next request. The response was read to its end.
    pub(super) fn done(self) {
        if let Self::Http1(pool, alone) = self
            && !alone.sender.is_closed()
        {
            pool.keep(|kept| kept.idle.push_back((alone, Instant::now())));
        }
    }
}
