//! Listeners: accept with a cap on connections, check every request byte by byte (`strict`), serve
//! HTTP/1.1 with every limit explicit, and drain when the gateway stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tower::{Service, ServiceExt};
use tracing::{debug, info, warn};

use crate::gateway::{Peer, Problem, Slug, Stop};

use self::strict::{MAX_HEAD, MAX_HEADERS, Refusal, Refusals, Strict};

mod strict;

/// The pause after the system refused a connection (no file descriptors left, for example).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// The limits of one listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections may be open; more wait in the system's queue.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request.
    pub header_read_timeout: Duration,
}

/// Accepts and serves until the drain begins, then lets the open connections finish the request
/// they are at. Returns once all are closed; how long that may take is for the caller to say.
pub async fn serve<S>(listener: TcpListener, service: S, limits: Limits, stop: Stop)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    loop {
        let (stream, peer, place) = select! {
            biased;
            () = stop.drain() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, refusals) = Strict::new(stream);
        let service = connected(service.clone(), peer, refusals);
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%peer, "connection ended: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
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

/// The service as one connection calls it: told who is on the other side, and not called with what is
/// refused.
fn connected<S>(
    service: S,
    peer: SocketAddr,
    refusals: Refusals,
) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send,
    S::Future: Send,
{
    service_fn(move |request: Request<Incoming>| {
        let (service, refusal) = (service.clone(), refusals.get());
        async move {
            match refusal {
                Some(refusal) => Ok(refused(peer, refusal)),
                None => {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(Peer(peer.ip()));
                    service.oneshot(request).await
                }
            }
        }
    })
}

fn refused(peer: SocketAddr, Refusal { status, why }: Refusal) -> Response<Body> {
    info!(target: "oncegate::access", route = "", outcome = "refused", status = status.as_u16(), %peer, "{why}");
    let problem = Problem::new(Slug::Http(status), format!("{why} Nothing was sent."));
    problem.not_executed().closing().into_response(None)
}
