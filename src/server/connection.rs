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

use crate::config::{HEADER_BUFFER, HTTP2_WINDOW};
use crate::peer::Peer;
use crate::shares::Shares;
use crate::stop::Stop;

use super::handshake::Handshakes;
use super::idle::Requests;
use super::listening::Listening;
use super::places::Seat;
use super::preface::{self, PREFACE};
use super::service::{Caller, Served};
use super::stalled::Stalled;
use super::strict::{Frames, MAX_HEAD, Strict};
use super::tls::Tls;
use super::untaken::{PIECE, Untaken};

/// Maximum number of open requests on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// Maximum number of bytes of one body on an HTTP/2 connection that are in transit or unread.
const STREAM_WINDOW: u32 = 64 << 10;
/// Number of bytes of a response that the library buffers for an HTTP/2 client. With the piece that
/// comes on top, this is the memory counted for one request.
const SEND_BUFFER: usize = HEADER_BUFFER - PIECE;
/// Maximum number of streams that are reset before the service has taken them.
const PENDING_RESETS: usize = 20;
/// Maximum number of streams that the library refuses or ends over the life of a connection.
const REFUSALS: usize = 1024;
/// Interval of the pings to a silent HTTP/2 client.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Time within which a client has to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Time since its opening within which a new connection has to send bytes, once the gateway drains.
const FIRST_WORDS: Duration = Duration::from_secs(1);
/// Time for which an idle connection is still read once the gateway drains. Bytes that have reached this
/// machine are read within it.
const LAST_LOOK: Duration = Duration::from_millis(10);
/// Time for which a connection that has to make room may still run when it only waits for its client.
const LEAVING: Duration = Duration::from_secs(1);
/// Number of [`LEAVING`] periods for an execution, which goes on without the connection. [`UNPROTECTED`]
/// is the number for a request that no key protects.
const EXECUTING: usize = 2;
const UNPROTECTED: usize = 5;

/// The reason why a connection ended early.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// The client of one connection.
struct Client {
    caller: Caller,
    opened: Instant,
    seat: Arc<Seat>,
    watcher: Watcher,
}

/// A server of the connections of one listener.
pub(super) struct Connections<S> {
    served: Served<S>,
    listening: Listening,
    handshakes: Handshakes,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<S> Connections<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    pub(super) fn new(listening: Listening, service: S) -> Self {
        let places = Shares::new(listening.max_connections, 1);
        let served = Served::new(service, places, &listening);
        let handshakes = Handshakes::new(listening.metrics.clone());
        Self { served, listening, handshakes, http1: http1(), http2: http2() }
    }

    /// Begins the drain: every later response of HTTP/1 ends its connection.
    pub(super) fn leave(&self) {
        self.served.leave();
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        seat: &Arc<Seat>,
        watcher: Watcher,
        stop: &Stop,
    ) -> Result<(), Ended> {
        let opened = Instant::now();
        let seat = Arc::clone(seat);
        if let Some(tls) = &self.listening.tls {
            let accepted = self.begun(tls.accept(stream), opened, &seat, stop).await;
            let (stream, http2) = accepted.inspect_err(|error| self.handshakes.failed(peer, error))?;
            let caller = Caller { peer: self.peer(peer), certificate: Tls::certificate(&stream) };
            let stream = Stalled::new(stream, self.listening.write_timeout).telling(&seat);
            let client = Client { caller, opened, seat, watcher };
            return Box::pin(self.serve_agreed(stream, http2, client, stop)).await;
        }
        let caller = Caller { peer: self.peer(peer), certificate: None };
        let mut stream = Stalled::new(stream, self.listening.write_timeout).telling(&seat);
        let client = Client { caller, opened, seat, watcher };
        if !self.listening.http2 {
            return self.serve_http1(stream, BytesMut::new(), client, stop).await;
        }
        let (before, http2) = self.begun(preface::read(&mut stream), opened, &client.seat, stop).await?;
        if http2 {
            Box::pin(self.serve_http2(stream, before, client, stop)).await
        } else {
            self.serve_http1(stream, before, client, stop).await
        }
    }

    fn peer(&self, peer: SocketAddr) -> Peer {
        Peer { address: peer.ip().to_canonical(), secure: self.listening.tls.is_some() }
    }

    /// Serves a TLS connection. `http2` tells whether its handshake agreed on HTTP/2.
    async fn serve_agreed(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        http2: bool,
        client: Client,
        stop: &Stop,
    ) -> Result<(), Ended> {
        if !http2 {
            return self.serve_http1(stream, BytesMut::new(), client, stop).await;
        }
        match self.begun(preface::read(&mut stream), client.opened, &client.seat, stop).await? {
            (before, true) => self.serve_http2(stream, before, client, stop).await,
            (_, false) => Err("HTTP/2 was agreed on and is not spoken".into()),
        }
    }

    /// Waits for the beginning of a connection: for `header_read_timeout`, and during a drain until
    /// [`FIRST_WORDS`] after its opening.
    async fn begun<T>(
        &self,
        beginning: impl Future<Output = io::Result<T>>,
        opened: Instant,
        seat: &Seat,
        stop: &Stop,
    ) -> io::Result<T> {
        let given_up = async {
            stop.drain().await;
            sleep_until(opened + FIRST_WORDS).await;
        };
        select! {
            biased;
            begun = timeout(self.listening.header_read_timeout, beginning) => {
                begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            () = seat.told_to_leave() => Err(io::Error::other(MADE_ROOM)),
            () = given_up => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn serve_http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        before: BytesMut,
        client: Client,
        stop: &Stop,
    ) -> Result<(), Ended> {
        let Client { caller, opened, seat, watcher } = client;
        // The drain waits until this watcher is dropped.
        let _watched = watcher;
        let (stream, refusals) = Strict::new(stream, before);
        let stream = stream.within(self.listening.header_read_timeout, self.listening.keep_alive_timeout);
        let service = self.served.http1(caller, stream.presence(), Arc::clone(&seat), refusals.clone());
        let mut connection = pin!(self.http1.serve_connection(TokioIo::new(stream), service));
        // Each connection has its own token, because the shared token is locked at each look.
        let drain = stop.draining().child_token();
        select! {
            biased;
            served = &mut connection => return Ok(served?),
            () = drain.cancelled() => {}
            () = seat.told_to_leave() => {
                connection.as_mut().graceful_shutdown();
                select! {
                    biased;
                    () = has_to_go(&seat) => return Err(MADE_ROOM.into()),
                    served = &mut connection => return Ok(served?),
                }
            }
        }
        // A request that has reached this machine is answered, and so is a request of a client that has
        // only just connected. The response ends the connection.
        let last_look = Instant::now() + LAST_LOOK;
        let until = if refusals.was_asked() { last_look } else { last_look.max(opened + FIRST_WORDS) };
        select! {
            biased;
            served = &mut connection => return Ok(served?),
            () = sleep_until(until) => {}
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }

    async fn serve_http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        before: BytesMut,
        client: Client,
        stop: &Stop,
    ) -> Result<(), Ended> {
        let Client { caller, seat, watcher: _watched, .. } = client;
        let (head, idle) = (self.listening.header_read_timeout, self.listening.keep_alive_timeout);
        let stream = Frames::new(stream, before, PREFACE.len(), head);
        let (requests, untaken) = (Arc::new(Requests::new()), Arc::<Untaken>::default());
        let service =
            self.served.http2(caller, Arc::clone(&requests), Arc::clone(&seat), Arc::clone(&untaken));
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(stream), service));
        let mut too_long = pin!(untaken.too_long(self.listening.write_timeout));
        let drain = stop.draining().child_token();
        let mut goodbye = pin!(async {
            select! {
                () = requests.idle(head, idle) => {}
                () = drain.cancelled() => {}
                () = seat.told_to_leave() => {}
            }
        });
        let mut makes_room = pin!(async {
            seat.told_to_leave().await;
            select! {
                () = has_to_go(&seat) => {}
                () = untaken.too_long(LEAVING) => {}
            }
        });
        let mut stays = pin!(requests.stays(head));
        let mut leaving = false;
        loop {
            select! {
                served = &mut connection => return Ok(served?),
                () = &mut makes_room => return Err(MADE_ROOM.into()),
                () = &mut too_long => return Err("the client read nothing of a response for too long".into()),
                () = &mut goodbye, if !leaving => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut stays, if leaving => return Err("the client was told to leave, and stayed".into()),
            }
        }
    }
}

/// The error of a connection that was told to leave.
const MADE_ROOM: &str = "it made room: there are too many connections, and its party had the most";

/// Waits until a connection that was told to leave can end: because nothing is lost, because it waits
/// only for its client, or because the time for its requests is over.
async fn has_to_go(seat: &Seat) {
    if seat.is_only_uncommitted() {
        return;
    }
    // The library waits for a first request, and an HTTP/2 client may ignore the request to leave.
    sleep(LAST_LOOK).await;
    for waited in 1.. {
        if seat.is_quiet() || seat.is_only_uncommitted() {
            return;
        }
        sleep(LEAVING).await;
        let patience = if seat.is_irreplaceable() { UNPROTECTED } else { EXECUTING };
        if !seat.is_busy() || waited >= patience {
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
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BUFFER as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(REFUSALS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    http
}
