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

use self::acceptor::Acceptor;
use self::connection::ConnectionServer;
use self::slots::{Slot, Slots};

mod acceptor;
mod answering;
mod connection;
mod handshake;
mod idle;
mod preface;
mod service;
mod settings;
mod slots;
mod write_timeout;
// Public for the fuzz targets in `tests/fuzz/`, which feed it bytes without a socket.
mod response_progress;
pub mod strict;
mod tls;

pub use self::settings::ListenerSettings;
pub use self::tls::Tls;

/// Accepts and serves connections until the drain begins. Once the stop is announced, each connection ends
/// with its current request, and new ones are still served. The drain accepts the connections that wait to be
/// accepted at that moment, and lets the open connections finish their current request. Returns once all
/// are closed. The caller limits how long that may take.
pub async fn serve<S>(listener: TcpListener, service: S, settings: ListenerSettings, stop: Stop)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let (slots, waiting) = (Slots::new(settings.max_connections, stop.announced()), settings.max_waiting);
    let draining = GracefulShutdown::new();
    let workers = settings.workers.clone();
    let connections = Arc::new(ConnectionServer::new(settings, service, stop.announced_flag()));
    let begin = |stream, peer: SocketAddr, slot: Slot| {
        let (connections, watcher, stop) = (Arc::clone(&connections), draining.watcher(), stop.clone());
        workers.spawn(async move {
            let serving = async {
                let stream = TcpStream::from_std(stream)?;
                connections.serve(stream, peer, slot.state(), watcher, &stop).await
            };
            if let Err(error) = serving.await {
                debug!(%peer, "connection ended: {error}");
            }
            drop(slot);
        });
    };
    let mut acceptor = Acceptor::new(slots, waiting, begin);
    acceptor.accept_until_drain(&listener, &stop).await;
    if let Err(error) = acceptor.accept_remaining(listener, &stop).await {
        warn!("connections that waited to be accepted may be reset: {error}");
    }
    draining.shutdown().await;
}
