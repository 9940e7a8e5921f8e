//! The API behind the gateway: a real server that remembers every request. The test decides how and when it
//! answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

/// The longest time that a wait for requests may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Handler = dyn Fn(Seen) -> Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>> + Send + Sync;

/// A request as the upstream received it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The number of the request, from 1.
    pub number: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// A running upstream.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Sender<usize>,
    /// The numbers of connections that came, and that ended.
    connections: (AtomicUsize, AtomicUsize),
    /// The beginning of the paths with responses that are held back, if any are.
    gate: watch::Sender<Option<&'static str>>,
    /// Time that each response takes.
    pace: watch::Sender<Duration>,
}

impl Upstream {
    /// Starts an upstream that answers 201 with the number of the request.
    pub async fn start() -> Arc<Self> {
        Self::answering(|seen| {
            let body = format!("{{\"charge\":{}}}", seen.number);
            let response = Response::builder().status(201).header("content-type", "application/json");
            response.body(Full::from(body)).expect("a response")
        })
        .await
    }

    /// Starts an upstream that answers each request with the result of `answer`.
    pub async fn answering(
        answer: impl Fn(Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let answer = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let upstream = Arc::new(Self {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            count: watch::Sender::new(0),
            connections: Default::default(),
            gate: watch::Sender::new(None),
            pace: watch::Sender::new(Duration::ZERO),
        });
        let (gate, pace) = (upstream.gate.subscribe(), upstream.pace.subscribe());
        let held = move |seen: Seen| {
            let (answer, mut gate, pace) = (Arc::clone(&answer), gate.clone(), *pace.borrow());
            let pending: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
                let goes = |held: &Option<&str>| held.is_none_or(|path| !seen.path.starts_with(path));
                gate.wait_for(goes).await.expect("the upstream lives");
                if !pace.is_zero() {
                    tokio::time::sleep(pace).await;
                }
                answer(seen)
            });
            pending
        };
        tokio::spawn(Arc::clone(&upstream).accept(listener, Arc::new(held)));
        upstream
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, handler: Arc<Handler>) {
        while let Ok((stream, _)) = listener.accept().await {
            self.connections.0.fetch_add(1, SeqCst);
            let (upstream, handler) = (Arc::clone(&self), Arc::clone(&handler));
            let ending = Arc::clone(&self);
            let service = service_fn(move |request: Request<Incoming>| {
                let (upstream, handler) = (Arc::clone(&upstream), Arc::clone(&handler));
                async move {
                    let seen = upstream.see(request).await;
                    Ok::<_, Infallible>(handler(seen).await)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            let served = connection.serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                drop(served.await);
                ending.connections.1.fetch_add(1, SeqCst);
            });
        }
    }

    async fn see(&self, request: Request<Incoming>) -> Seen {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let mut all = self.seen.lock().expect("no panic while locked");
        let seen = Seen { path: head.uri.to_string(), headers: head.headers, body, number: all.len() + 1 };
        all.push(seen.clone());
        self.count.send_replace(all.len());
        seen
    }

    /// Returns every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic while locked").clone()
    }

    /// Returns the number of requests.
    pub fn executions(&self) -> usize {
        *self.count.borrow()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.0.load(SeqCst)
    }

    /// Returns the number of connections that ended.
    pub fn closed(&self) -> usize {
        self.connections.1.load(SeqCst)
    }

    /// Waits until there were `count` requests.
    pub async fn reached(&self, count: usize) {
        let mut seen = self.count.subscribe();
        let there = timeout(PATIENCE, seen.wait_for(|seen| *seen >= count)).await;
        there.unwrap_or_else(|_| panic!("{count} requests never came")).expect("the upstream lives");
    }

    /// Lets each response take this time, as those of a real API do.
    pub fn take(&self, pace: Duration) {
        self.pace.send_replace(pace);
    }

    /// Waits until a request with this key came.
    pub async fn reached_by(&self, key: &str) {
        let mut count = self.count.subscribe();
        while !self.seen().iter().any(|seen| seen.header("idempotency-key") == key) {
            count.changed().await.expect("the upstream lives");
        }
    }

    /// Returns the number of requests with each key.
    pub fn executions_by_key(&self) -> BTreeMap<String, usize> {
        let mut executions = BTreeMap::new();
        for seen in self.seen() {
            *executions.entry(seen.header("idempotency-key").to_owned()).or_default() += 1;
        }
        executions
    }

    /// Holds all responses back.
    pub fn hold(&self) {
        self.hold_at("");
    }

    /// Holds back the responses to requests with a path that begins with `path`.
    pub fn hold_at(&self, path: &'static str) {
        self.gate.send_replace(Some(path));
    }

    /// Releases the responses that are held back.
    pub fn let_go(&self) {
        self.gate.send_replace(None);
    }
}
