//! Listeners: accept with a cap on connections, check every request byte by byte (`strict`), serve
//! HTTP/1.1 and, where it is asked for, HTTP/2 and TLS, with every limit explicit; and drain when the
//! gateway stops.

use std::convert::Infallible;
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

/// What one listener speaks, and its limits.
#[derive(Clone)]
pub struct Listening {
    /// How many connections may be open, and how many requests of HTTP/2 connections together; more
    /// connections wait in the system's queue, more requests are answered `overloaded`.
    pub max_connections: usize,
    /// How long a client may take to shake hands, to send the head of a request, and to ask for something
    /// more on a connection.
    pub header_read_timeout: Duration,
    /// How long a client may read nothing of an answer.
    pub write_timeout: Duration,
    /// Whether HTTP/2 is spoken beside HTTP/1.1.
    pub http2: bool,
    /// With it nothing but TLS is spoken.
    pub tls: Option<Arc<Tls>>,
    /// Who serves the connections.
    pub workers: Workers,
    /// Where requests are counted that are refused before a route is looked for.
    pub metrics: Metrics,
}

/// Accepts and serves until the drain begins, then lets the open connections finish the request
/// they are at. Returns once all are closed; how long that may take is for the caller to say.
pub async fn serve<S>(listener: TcpListener, service: S, listening: Listening, stop: Stop)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let places = Arc::new(Semaphore::new(listening.max_connections));
    let draining = GracefulShutdown::new();
    let workers = listening.workers.clone();
    let connections = Arc::new(Connections::new(listening, service));
    loop {
        let (stream, peer, place) = select! {
            biased;
            () = stop.drain() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (connections, watcher, stop) = (Arc::clone(&connections), draining.watcher(), stop.clone());
        workers.spawn(async move {
            let served =
                async { connections.serve(TcpStream::from_std(stream)?, peer, watcher, &stop).await };
            if let Err(error) = served.await {
                debug!(%peer, "connection ended: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    draining.shutdown().await;
}

/// The next connection, once there is a place for it; it is still to be registered where it is served.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (std::net::TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        let accepted = listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => {
                // Without it small answers wait for the client's delayed acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%peer, "no TCP_NODELAY: {error}");
                }
                return (stream, peer, place);
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
