//! Floors, with which the gateway is compared: the least that a proxy and a gateway can do on the same
//! libraries.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::roles;

use self::gateway::Gateway;
use self::pool::Pool;
use self::records::Records;

mod gateway;
mod pool;
mod records;
mod table;

/// Plays a proxy that passes everything on unchanged.
pub fn serve_proxy(upstream: SocketAddr) {
    play(async move {
        let pool = Arc::new(Pool::to(upstream));
        serve(move |request: Request<Incoming>| {
            let pool = Arc::clone(&pool);
            async move {
                match pool.send(without_hops(request)).await {
                    Ok(response) => response.map(http_body_util::Either::Left),
                    Err(_) => bad_gateway().map(http_body_util::Either::Right),
                }
            }
        })
        .await;
    });
}

/// Plays a gateway on the records named by `records`, see [`Records::open`].
pub fn serve_gateway(upstream: SocketAddr, records: &str) {
    play(async move {
        let gateway = Arc::new(Gateway { records: Records::open(records).await, pool: Pool::to(upstream) });
        serve(move |request| {
            let gateway = Arc::clone(&gateway);
            async move { gateway.answer(request).await.unwrap_or_else(|_| bad_gateway()) }
        })
        .await;
    });
}

fn play(role: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(role);
}

async fn serve<H, F, B>(handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = roles::listen().await;
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("an option of a socket");
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = handler(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            // The client may go away once it has measured enough.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn without_hops<B>(mut request: Request<B>) -> Request<B> {
    remove_hops(request.headers_mut());
    request
}

fn remove_hops(headers: &mut HeaderMap) {
    headers.remove(header::CONNECTION);
}

fn bad_gateway() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
