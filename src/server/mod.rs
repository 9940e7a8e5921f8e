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
use tower::Service;
use tracing::{debug, warn};

use crate::stop::Stop;
use crate::telemetry::Metrics;
use crate::workers::Workers;

use self::connection::Connections;
use self::door::Door;
use self::places::{Place, Places};

mod answering;
mod connection;
mod door;
mod handshake;
mod idle;
mod places;
mod preface;
mod service;
mod stalled;
// Public for the fuzz targets in `tests/fuzz/`, which feed it bytes without a socket.
pub mod strict;
mod tls;
mod untaken;

pub use self::tls::Tls;

/// What one listener speaks, and its limits.
#[derive(Clone)]
pub struct Listening {
    /// How many connections may be open, and how many requests of HTTP/2 connections together. Of more
    /// connections the party that has most loses one, or they wait; more requests are answered `overloaded`.
    pub max_connections: usize,
    /// How many connections may wait until others end.
    pub max_waiting: usize,
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
    let (places, waiting) = (Places::new(listening.max_connections), listening.max_waiting);
    let draining = GracefulShutdown::new();
    let workers = listening.workers.clone();
    let connections = Arc::new(Connections::new(listening, service));
    let begin = |stream, peer: SocketAddr, place: Place| {
        let (connections, watcher, stop) = (Arc::clone(&connections), draining.watcher(), stop.clone());
        workers.spawn(async move {
            let served = async {
                let stream = TcpStream::from_std(stream)?;
                connections.serve(stream, peer, place.seat(), watcher, &stop).await
            };
            if let Err(error) = served.await {
                debug!(%peer, "connection ended: {error}");
            }
            drop(place);
        });
    };
    let mut door = Door::new(places, waiting, begin);
    door.accept_until_drain(&listener, &stop).await;
    connections.leave();
    if let Err(error) = door.accept_the_rest(listener, &stop).await {
        warn!("what waited to be accepted may be reset: {error}");
    }
    draining.shutdown().await;
}
