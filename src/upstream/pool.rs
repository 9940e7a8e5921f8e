//! Connections to one upstream, kept for the next request.
//!
//! A pool of our own because of what it has to tell: whether a request was provably never sent. The
//! library hands a request back that it has not begun to write, which happens when a kept connection is
//! closed just then; such a request takes a new connection, for it was never sent (RFC 9110, 9.2.2 does
//! not come into it). Nothing else is ever sent twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use crate::config::HEADER_BUFFER;
use crate::reload::Reloading;

/// How long an idle connection is kept. Shorter than the keep-alive of common servers (5 s), so
/// that a request rarely meets a connection that is just being closed: whether it was read there
/// could not be known.
const IDLE: Duration = Duration::from_secs(4);
/// How many header lines an answer may have.
const MAX_HEADERS: usize = 256;
/// How much of one answer's body over HTTP/2 may be on its way or unread, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
/// And of all answers on one connection.
const WINDOW: u32 = 1 << 20;
/// How many requests share one HTTP/2 connection: what servers are asked to allow at least
/// (RFC 9113, 6.5.2).
const STREAMS: usize = 100;
/// How often an HTTP/2 upstream that owes answers and says nothing is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(10);
/// And how long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections to one upstream.
pub(super) struct Pool {
    origin: Uri,
    connector: Arc<Connector>,
    http2: bool,
    kept: Mutex<Kept>,
}

/// What makes connections.
pub type Connector = Reloading<HttpsConnector<HttpConnector>>;

#[derive(Default)]
struct Kept {
    /// The connections of HTTP/1 that nobody uses, the oldest first.
    idle: VecDeque<(http1::SendRequest<Body>, Instant)>,
    /// Whether a task removes those that are too old.
    reaped: bool,
    /// The connections of HTTP/2, each with who uses it.
    shared: Vec<(http2::SendRequest<Body>, Arc<()>)>,
}

/// A connection, for one request.
pub(super) enum Connection {
    Http1 { sender: http1::SendRequest<Body>, kept: bool },
    Http2 { sender: http2::SendRequest<Body>, user: Arc<()>, kept: bool },
}

/// A request's hold on its connection, to the end of the answer.
pub(super) enum Hold {
    /// Dropped, it closes the connection; nobody has read what is still to come on it.
    Http1(Arc<Pool>, http1::SendRequest<Body>),
    /// One stream less to be opened by others.
    Http2 { _user: Arc<()> },
}

impl Pool {
    pub(super) fn new(origin: Uri, connector: Arc<Connector>, http2: bool) -> Arc<Self> {
        Arc::new(Self { origin, connector, http2, kept: Mutex::default() })
    }

    /// A connection that was kept.
    pub(super) fn kept(&self) -> Option<Connection> {
        self.lock().take()
    }

    /// A new connection.
    ///
    /// # Errors
    /// No connection could be made, so nothing was sent.
    pub(super) async fn connect(&self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let connector = HttpsConnector::clone(&self.connector.current());
        let stream = connector.oneshot(self.origin.clone()).await?;
        let negotiated = stream.connected().is_negotiated_h2();
        let encrypted = self.origin.scheme() == Some(&http::uri::Scheme::HTTPS);
        if negotiated || (self.http2 && !encrypted) {
            let (sender, connection) = http2_builder().handshake(stream).await?;
            tokio::spawn(async move { drop(connection.await) });
            let user = Arc::new(());
            self.lock().shared.push((sender.clone(), Arc::clone(&user)));
            return Ok(Connection::Http2 { sender, user, kept: false });
        }
        let (sender, connection) =
            http1::Builder::new().max_headers(MAX_HEADERS).handshake::<_, Body>(stream).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection::Http1 { sender, kept: false })
    }

    /// Keeps a connection whose answer was read to its end.
    fn keep(self: &Arc<Self>, sender: http1::SendRequest<Body>) {
        if sender.is_closed() {
            return;
        }
        let mut kept = self.lock();
        kept.idle.push_back((sender, Instant::now()));
        if !std::mem::replace(&mut kept.reaped, true) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self) -> Option<Connection> {
        self.take_idle().or_else(|| self.take_shared())
    }

    /// The one that was used last, so that the others grow old.
    fn take_idle(&mut self) -> Option<Connection> {
        self.idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
        let newest = self.idle.iter().rposition(|(sender, _)| sender.is_ready())?;
        let (sender, _) = self.idle.remove(newest)?;
        Some(Connection::Http1 { sender, kept: true })
    }

    fn take_shared(&mut self) -> Option<Connection> {
        self.shared.retain(|(sender, _)| !sender.is_closed());
        // What would wait for a stream to end waits better in a connection of its own.
        let (sender, user) = self.shared.iter().find(|(_, user)| Arc::strong_count(user) <= STREAMS)?;
        Some(Connection::Http2 { sender: sender.clone(), user: Arc::clone(user), kept: true })
    }
}

/// Closes what has been idle for too long, for as long as there is something.
async fn reap(pool: Weak<Pool>) {
    while let Some(pool) = pool.upgrade() {
        let oldest = {
            let mut kept = pool.lock();
            while kept.idle.front().is_some_and(|(_, since)| since.elapsed() >= IDLE) {
                kept.idle.pop_front();
            }
            match kept.idle.front() {
                Some((_, since)) => *since,
                None => {
                    kept.reaped = false;
                    return;
                }
            }
        };
        drop(pool);
        sleep_until(oldest + IDLE).await;
    }
}

impl Connection {
    /// Whether somebody else has used it before.
    pub(super) fn was_kept(&self) -> bool {
        match self {
            Self::Http1 { kept, .. } | Self::Http2 { kept, .. } => *kept,
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2 { .. })
    }

    /// Sends a request; the answer's head, and the hold on the connection.
    ///
    /// # Errors
    /// With the request, if not a byte of it was written.
    pub(super) async fn send(
        self,
        request: Request<Body>,
        pool: &Arc<Pool>,
    ) -> Result<(Response<Incoming>, Hold), TrySendError<Request<Body>>> {
        match self {
            Self::Http1 { mut sender, .. } => {
                let response = sender.try_send_request(request).await?;
                Ok((response, Hold::Http1(Arc::clone(pool), sender)))
            }
            Self::Http2 { mut sender, user, .. } => {
                let response = sender.try_send_request(request).await?;
                Ok((response, Hold::Http2 { _user: user }))
            }
        }
    }
}

impl Hold {
    /// The answer was read to its end.
    pub(super) fn done(self) {
        if let Self::Http1(pool, sender) = self {
            pool.keep(sender);
        }
    }
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(HEADER_BUFFER as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
