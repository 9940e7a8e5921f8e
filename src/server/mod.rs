//! Listeners. A listener accepts connections up to a limit, checks every request byte by byte
//! (`strict`), and serves HTTP/1.1 and, where configured, HTTP/2 and TLS. Every limit is explicit. The
//! listener drains when the gateway stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::Service;
use tracing::{debug, warn};

use crate::stop::Stop;

use self::connection::Connections;
use self::door::Door;
use self::places::{Place, Places};

mod answering;
mod connection;
mod door;
mod handshake;
mod idle;
mod listening;
mod places;
mod preface;
mod service;
mod stalled;
// Public for the fuzz targets in `tests/fuzz/`, which feed it bytes without a socket.
pub mod strict;
mod tls;
mod untaken;

pub use self::listening::Listening;
pub use self::tls::Tls;

/// Accepts and serves connections until the drain begins. Then accepts the connections that wait to be
/// accepted at that moment, and lets the open connections finish their current request. Returns once all
/// are closed. The caller limits how long that may take.
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
        warn!("connections that waited to be accepted may be reset: {error}");
    }
    draining.shutdown().await;
}
