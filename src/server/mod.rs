//! Listeners: accept with a cap on connections, check every request byte by byte (`strict`), serve
//! HTTP/1.1 and, where it is asked for, HTTP/2 and TLS, with every limit explicit; and drain when the
//! gateway stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tower::Service;
use tracing::{debug, warn};

use crate::gateway::Stop;
use crate::telemetry::Metrics;
use crate::workers::Workers;

use self::connection::Connections;

mod connection;
mod handshake;
mod idle;
mod preface;
mod service;
mod stalled;
// Public for the fuzz targets in `tests/fuzz/`, which feed it bytes without a socket.
pub mod strict;
mod tls;
mod untaken;

pub use self::tls::Tls;

/// The pause after the system refused a connection (no file descriptors left, for example).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How many connections are still taken when the drain begins: more than the system's queue holds, so that
/// clients who go on connecting cannot keep the listener open.
const MOST_WAITING: usize = 4096;

/// A connection, still to be registered where it is served, and its place.
type Accepted = (std::net::TcpStream, SocketAddr, OwnedSemaphorePermit);

/// What one listener speaks, and its limits.
#[derive(Clone)]
pub struct Listening {
    /// How many connections may be open, and how many requests of HTTP/2 connections together; more
    /// connections wait in the system's queue, more requests are answered `overloaded`.
    pub max_connections: usize,
    /// How long a client may take to shake hands, to send the head of a request, and to begin its first one.
    pub header_read_timeout: Duration,
    /// How long nothing may be asked on a connection that has had an answer.
    pub keep_alive_timeout: Duration,
    /// How long a client may read nothing of an answer.
    pub write_timeout: Duration,
    /// Whether HTTP/2 is spoken beside HTTP/1.1.
    pub http2: bool,
    /// With it nothing but TLS is spoken.
    pub tls: Option<Arc<Tls>>,
    /// Who serves the connections.
    pub workers: Workers,
    /// The methods that an answer to any other one names.
    pub methods: &'static str,
    /// Where problems are explained: the address to which each problem's name is added.
    pub problem_docs: Option<Arc<str>>,
    /// Where requests are counted that are refused before a route is looked for, and failed handshakes.
    pub metrics: Metrics,
}

/// Accepts and serves until the drain begins, then takes what waits to be accepted at that moment, and lets
/// the open connections finish the request they are at. Returns once all are closed; how long that may take
/// is for the caller to say.
pub async fn serve<S>(listener: TcpListener, service: S, listening: Listening, stop: Stop)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let places = Arc::new(Semaphore::new(listening.max_connections));
    let draining = GracefulShutdown::new();
    let workers = listening.workers.clone();
    let connections = Arc::new(Connections::new(listening, service));
    let begin = |(stream, peer, place): Accepted| {
        let (connections, watcher, stop) = (Arc::clone(&connections), draining.watcher(), stop.clone());
        workers.spawn(async move {
            let served =
                async { connections.serve(TcpStream::from_std(stream)?, peer, watcher, &stop).await };
            if let Err(error) = served.await {
                debug!(%peer, "connection ended: {error}");
            }
            drop(place);
        });
    };
    loop {
        select! {
            biased;
            () = stop.drain() => break,
            accepted = accept(&listener, &places) => begin(accepted),
        }
    }
    connections.leave();
    if let Err(error) = accept_the_rest(listener, &places, &stop, begin).await {
        warn!("what waited to be accepted may be reset: {error}");
    }
    draining.shutdown().await;
}

/// Takes what waits in the system's queue, and closes the listener. A client whose connection is reset
/// there cannot know that its request was not looked at.
async fn accept_the_rest(
    listener: TcpListener,
    places: &Arc<Semaphore>,
    stop: &Stop,
    begin: impl Fn(Accepted),
) -> io::Result<()> {
    // The runtime knows of a connection only after a while, the system at once.
    let listener = listener.into_std()?;
    for _ in 0..MOST_WAITING {
        let place = select! {
            place = Arc::clone(places).acquire_owned() => place.expect("the semaphore is never closed"),
            () = stop.cut() => return Ok(()),
        };
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                prompt(&stream, peer);
                begin((stream, peer, place));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Accepted {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        let accepted = listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => {
                prompt(&stream, peer);
                return (stream, peer, place);
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Small answers would wait for the client's delayed acknowledgement otherwise.
fn prompt(stream: &std::net::TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, "no TCP_NODELAY: {error}");
    }
}
