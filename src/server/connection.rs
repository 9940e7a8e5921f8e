//! One connection: which protocol it speaks, and the limits of each.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::BytesMut;
use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::select;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::Service;

use crate::buffers::{HEADER_BUFFER, HTTP2_WINDOW};
use crate::peer::Peer;
use crate::presence::ConnectionFacts;
use crate::shares::Shares;
use crate::stop::{AnnouncedFlag, Stop};

use super::handshake::Handshakes;
use super::idle::Requests;
use super::preface::{self, PREFACE};
use super::response_progress::{PIECE_SIZE, UnreadResponses};
use super::service::{ClientInfo, ListenerService};
use super::settings::ListenerSettings;
use super::slots::ConnectionState;
use super::strict::{Frames, MAX_HEAD, Strict};
use super::tls::Tls;
use super::write_timeout::WriteTimeout;

/// Maximum number of open requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Maximum number of bytes of one body on an HTTP/2 connection that are in transit or unread.
const STREAM_WINDOW: u32 = 64 << 10;
/// Number of bytes of a response that the library buffers for an HTTP/2 client. With the piece that
/// comes on top, this is the memory counted for one request.
const SEND_BUFFER: usize = HEADER_BUFFER - PIECE_SIZE;
/// Maximum number of streams that are reset before the service has taken them.
const MAX_PENDING_RESETS: usize = 20;
/// Maximum number of streams that the library refuses or ends over the life of a connection.
const MAX_LOCAL_RESETS: usize = 1024;
/// Interval of the pings to a silent HTTP/2 client.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time within which a client has to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Time since its opening within which a new connection has to send bytes, once the gateway drains.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for which an idle connection is still read once the gateway drains. Bytes that have reached this
/// machine are read within it.
const FINAL_READ: Duration = Duration::from_millis(10);
/// Time for which a connection that has to make room may still run when it only waits for its client.
const LEAVE_PERIOD: Duration = Duration::from_secs(1);
/// Number of [`LEAVE_PERIOD`] periods for an execution, which goes on without the connection.
/// [`UNPROTECTED_PERIODS`] is the number for a request that no key protects.
const PROTECTED_PERIODS: usize = 2;
const UNPROTECTED_PERIODS: usize = 5;

/// The reason why a connection ended early.
type EndReason = Box<dyn std::error::Error + Send + Sync>;

/// The client of one connection.
struct ConnectionContext {
    client: ClientInfo,
    opened: Instant,
    state: Arc<ConnectionState>,
    watcher: Watcher,
}

/// A server of the connections of one listener.
pub(super) struct ConnectionServer<S> {
    service: ListenerService<S>,
    settings: ListenerSettings,
    handshakes: Handshakes,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<S> ConnectionServer<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    pub(super) fn new(settings: ListenerSettings, service: S, announced: AnnouncedFlag) -> Self {
        let request_shares = Shares::new(settings.max_connections, 1);
        let service = ListenerService::new(service, request_shares, &settings, announced);
        let handshakes = Handshakes::new(settings.metrics.clone());
        Self { service, settings, handshakes, http1: http1(), http2: http2() }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        state: &Arc<ConnectionState>,
        watcher: Watcher,
        stop: &Stop,
    ) -> Result<(), EndReason> {
        let opened = Instant::now();
        let state = Arc::clone(state);
        if let Some(tls) = &self.settings.tls {
            let accepted = self.await_beginning(tls.accept(stream), opened, &state, stop).await;
            let (stream, http2) = accepted.inspect_err(|error| self.handshakes.failed(peer, error))?;
            let client = ClientInfo { peer: self.peer(peer), certificate: Tls::certificate(&stream) };
            let stream = WriteTimeout::new(stream, self.settings.write_timeout).reporting_to(&state);
            let context = ConnectionContext { client, opened, state, watcher };
            return Box::pin(self.serve_tls(stream, http2, context, stop)).await;
        }
        let client = ClientInfo { peer: self.peer(peer), certificate: None };
        let mut stream = WriteTimeout::new(stream, self.settings.write_timeout).reporting_to(&state);
        let context = ConnectionContext { client, opened, state, watcher };
        if !self.settings.http2 {
            return self.serve_http1(stream, BytesMut::new(), context, stop).await;
        }
        let (before, http2) =
            self.await_beginning(preface::read(&mut stream), opened, &context.state, stop).await?;
        if http2 {
            Box::pin(self.serve_http2(stream, before, context, stop)).await
        } else {
            self.serve_http1(stream, before, context, stop).await
        }
    }

    fn peer(&self, peer: SocketAddr) -> Peer {
        Peer { address: peer.ip().to_canonical(), secure: self.settings.tls.is_some() }
    }

    /// Serves a TLS connection. `http2` tells whether its handshake agreed on HTTP/2.
    async fn serve_tls(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        http2: bool,
        context: ConnectionContext,
        stop: &Stop,
    ) -> Result<(), EndReason> {
        if !http2 {
            return self.serve_http1(stream, BytesMut::new(), context, stop).await;
        }
        match self.await_beginning(preface::read(&mut stream), context.opened, &context.state, stop).await? {
            (before, true) => self.serve_http2(stream, before, context, stop).await,
            (_, false) => Err("HTTP/2 was agreed on and is not spoken".into()),
        }
    }

    /// Waits for the beginning of a connection: for `header_read_timeout`, and during a drain until
    /// [`FIRST_BYTES_TIMEOUT`] after its opening.
    async fn await_beginning<T>(
        &self,
        beginning: impl Future<Output = io::Result<T>>,
        opened: Instant,
        state: &ConnectionState,
        stop: &Stop,
    ) -> io::Result<T> {
        let drain_timeout = async {
            stop.drain().await;
            sleep_until(opened + FIRST_BYTES_TIMEOUT).await;
        };
        select! {
            biased;
            begun = timeout(self.settings.header_read_timeout, beginning) => {
                begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            () = state.told_to_leave() => Err(io::Error::other(MADE_ROOM)),
            () = drain_timeout => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn serve_http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        before: BytesMut,
        context: ConnectionContext,
        stop: &Stop,
    ) -> Result<(), EndReason> {
        let ConnectionContext { client, opened, state, watcher } = context;
        // The drain waits until this watcher is dropped.
        let _watched = watcher;
        let (stream, refusals) = Strict::new(stream, before);
        let stream =
            stream.with_timeouts(self.settings.header_read_timeout, self.settings.keep_alive_timeout);
        let facts =
            ConnectionFacts { presence: stream.presence(), open_requests: state.open_requests().clone() };
        let service = self.service.http1(client, facts, Arc::clone(&state), refusals.clone());
        let mut connection = pin!(self.http1.serve_connection(TokioIo::new(stream), service));
        select! {
            biased;
            ended = &mut connection => return Ok(ended?),
            () = state.told_to_end() => {}
        }
        if !state.is_told_to_leave() {
            // The stop is announced. The service says in each response that it ends the connection. An idle
            // connection stays, because its client may be sending a request.
            select! {
                biased;
                ended = &mut connection => return Ok(ended?),
                () = state.told_to_leave() => {}
                () = stop.drain() => {}
            }
        }
        if !stop.is_draining() {
            connection.as_mut().graceful_shutdown();
            select! {
                biased;
                () = until_it_can_end(&state) => return Err(MADE_ROOM.into()),
                ended = &mut connection => return Ok(ended?),
            }
        }
        // A request that has reached this machine is answered, and so is a request of a client that has
        // only just connected. The response ends the connection.
        let final_read = Instant::now() + FINAL_READ;
        let until =
            if refusals.had_head() { final_read } else { final_read.max(opened + FIRST_BYTES_TIMEOUT) };
        select! {
            biased;
            ended = &mut connection => return Ok(ended?),
            () = sleep_until(until) => {}
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }

    async fn serve_http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        before: BytesMut,
        context: ConnectionContext,
        stop: &Stop,
    ) -> Result<(), EndReason> {
        let ConnectionContext { client, state, watcher: _watched, .. } = context;
        let (head, idle) = (self.settings.header_read_timeout, self.settings.keep_alive_timeout);
        let stream = Frames::new(stream, before, PREFACE.len(), head);
        let (requests, unread) = (Arc::new(Requests::new()), Arc::<UnreadResponses>::default());
        let service =
            self.service.http2(client, Arc::clone(&requests), Arc::clone(&state), Arc::clone(&unread));
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(stream), service));
        let mut until_stalled = pin!(unread.until_stalled(self.settings.write_timeout));
        let mut shutdown_due = pin!(async {
            select! {
                () = requests.idle(head, idle) => return,
                () = state.told_to_end() => {}
            }
            // The stop may only be announced. A client that is told to go before its first request would
            // connect again, to the same gateway.
            select! {
                () = requests.first() => {}
                () = state.told_to_leave() => {}
                () = stop.drain() => {}
            }
        });
        let mut room_made = pin!(async {
            state.told_to_leave().await;
            select! {
                () = until_it_can_end(&state) => {}
                () = unread.until_stalled(LEAVE_PERIOD) => {}
            }
        });
        let mut overstays = pin!(requests.overstays(head));
        let mut leaving = false;
        loop {
            select! {
                ended = &mut connection => return Ok(ended?),
                () = &mut room_made => return Err(MADE_ROOM.into()),
                () = &mut until_stalled => return Err("the client read nothing of a response for too long".into()),
                () = &mut shutdown_due, if !leaving => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut overstays, if leaving => return Err("the client was told to leave, and stayed".into()),
            }
        }
    }
}

/// The error of a connection that was told to leave.
const MADE_ROOM: &str = "it made room: there are too many connections, and its party had the most";

/// Waits until a connection that was told to leave can end: because nothing is lost, because it waits
/// only for its client, or because the time for its requests is over.
async fn until_it_can_end(state: &ConnectionState) {
    if state.is_only_uncommitted() {
        return;
    }
    // The library waits for a first request, and an HTTP/2 client may ignore the request to leave.
    sleep(FINAL_READ).await;
    for waited in 1.. {
        if state.is_quiet() || state.is_only_uncommitted() {
            return;
        }
        sleep(LEAVE_PERIOD).await;
        let periods = if state.has_unprotected_requests() { UNPROTECTED_PERIODS } else { PROTECTED_PERIODS };
        if !state.is_busy() || waited >= periods {
            return;
        }
    }
}

/// Returns the settings of HTTP/1. The default limit on headers is the number that [`Strict`] lets
/// through, and only with the default does the library read them into a buffer on the stack. [`Strict`]
/// also limits the waits for a client, and decides what the end of the client's side means.
fn http1() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.half_close(true).header_read_timeout(None).max_buf_size(MAX_HEAD);
    http
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEADER_BUFFER as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    http
}
