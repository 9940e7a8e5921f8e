//! A payment API in the shape of Stripe's. The beginning of a request's key decides its behaviour.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A running API.
pub struct Api {
    pub address: SocketAddr,
    /// The keys of the requests so far.
    keys: watch::Sender<Vec<String>>,
    gate: watch::Sender<bool>,
}

impl Api {
    /// Starts an API that answers under a key that begins with `slow` only after [`Api::let_go`].
    pub async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let api = Arc::new(Self { address, keys: watch::Sender::default(), gate: watch::Sender::new(false) });
        let shared = Arc::clone(&api);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = Arc::clone(&shared);
                let service = service_fn(move |request| Arc::clone(&api).answer(request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        api
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
        let key = key.unwrap_or_default().to_owned();
        request.into_body().collect().await.map_err(io::Error::other)?;
        let number = {
            self.keys.send_modify(|keys| keys.push(key.clone()));
            self.keys.borrow().len()
        };
        let paid = json!({ "id": format!("pi_{number}"), "object": "payment_intent" });
        let failed = json!({ "error": { "type": "api_error", "message": "The ledger is away." } });
        let answer = |status: u16, body: Value| {
            let response = Response::builder().status(status).header("content-type", "application/json");
            response.header("request-id", format!("req_{number}")).body(Full::from(body.to_string()))
        };
        let answer = match key.split('-').next().unwrap_or_default() {
            // The error makes the library close the connection.
            "dies" => return Err(io::Error::other("it died")),
            "slow" => {
                self.gate.subscribe().wait_for(|open| *open).await.map_err(io::Error::other)?;
                answer(200, paid)
            }
            "fails" => answer(500, failed),
            "limited" if self.executions(&key) == 1 => answer(429, failed),
            "busy" => answer(503, failed),
            "large" => answer(200, json!({ "id": "pi_large", "description": "x".repeat(64 << 10) })),
            "heads" => answer(200, paid).map(|mut response| {
                let long = "x".repeat(300 << 10).parse().expect("a value");
                response.headers_mut().insert("x-long", long);
                response
            }),
            _ => answer(200, paid),
        };
        answer.map_err(io::Error::other)
    }

    /// Returns the number of requests with this key.
    pub fn executions(&self, key: &str) -> usize {
        self.keys.borrow().iter().filter(|seen| *seen == key).count()
    }

    /// Waits until a request with this key has arrived.
    pub async fn reached(&self, key: &str) {
        let mut keys = self.keys.subscribe();
        keys.wait_for(|keys| keys.iter().any(|seen| seen == key)).await.expect("the API lives");
    }

    /// Releases the responses under slow keys.
    pub fn let_go(&self) {
        self.gate.send_replace(true);
    }
}
