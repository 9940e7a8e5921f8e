//! A payment API in the shape of the API of a recipe, with keys of its own where that has some. The beginning
//! of a request's key decides its behaviour at the first request with this key.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::dialect::{Dialect, Place};

/// A running API.
pub struct Fake {
    pub address: SocketAddr,
    dialect: &'static Dialect,
    state: Mutex<State>,
    requests: watch::Sender<usize>,
    gate: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// Key and headers of each request.
    seen: Vec<(String, HeaderMap)>,
    /// The key of each payment that was made.
    payments: Vec<String>,
    /// The answers that the API's own keys keep.
    kept: HashMap<String, (u16, String)>,
}

impl Fake {
    pub async fn start(dialect: &'static Dialect) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let fake = Arc::new(Self {
            address: listener.local_addr().expect("an address"),
            dialect,
            state: Mutex::default(),
            requests: watch::Sender::new(0),
            gate: watch::Sender::new(false),
        });
        let shared = Arc::clone(&fake);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fake = Arc::clone(&shared);
                let service = service_fn(move |request| Arc::clone(&fake).answer(request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        fake
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let key = self.key(&head.headers, &body);
        let asked = self.see(&key, head.headers);
        let words: Vec<&str> = key.split('-').collect();
        let (status, body) = match (words[0], asked) {
            // The error makes the library close the connection.
            ("vanishes", 1) => return Err(io::Error::other("nothing was done")),
            ("dies", 1) => {
                self.pay(&key, asked);
                return Err(io::Error::other("the payment was made"));
            }
            ("slow", 1) => {
                self.gate.subscribe().wait_for(|open| *open).await.map_err(io::Error::other)?;
                self.pay(&key, asked)
            }
            ("answers" | "transient", 1) => {
                let status = words[1].parse().expect("a status");
                self.keep(&key, status, (self.dialect.failed)(status))
            }
            _ => self.pay(&key, asked),
        };
        let mut response = Response::builder().status(status).header("content-type", "application/json");
        if self.dialect.repeats_its_key {
            response = response.header(self.dialect.key_header(), &key);
        }
        if (words[0], asked) == ("transient", 1) {
            response = response.header("transient-error", "true");
        }
        response.body(Full::from(body)).map_err(io::Error::other)
    }

    /// Returns the key of a request, where this API reads it, or an empty text.
    fn key(&self, headers: &HeaderMap, body: &[u8]) -> String {
        let key = match self.dialect.key {
            Place::Header(name) => headers.get(name).and_then(|key| key.to_str().ok()).map(str::to_owned),
            Place::Member(name) => serde_json::from_slice::<Value>(body)
                .ok()
                .and_then(|body| Some(body[name].as_str()?.to_owned())),
        };
        key.unwrap_or_default()
    }

    /// Notes a request, and returns its number among those with its key.
    fn see(&self, key: &str, headers: HeaderMap) -> usize {
        let mut state = self.state.lock().expect("no panic while locked");
        state.seen.push((key.to_owned(), headers));
        self.requests.send_replace(state.seen.len());
        state.seen.iter().filter(|(seen, _)| seen == key).count()
    }

    /// Makes a payment, unless the API has one under this key.
    fn pay(&self, key: &str, asked: usize) -> (u16, String) {
        let mut state = self.state.lock().expect("no panic while locked");
        if let Some(kept) = state.kept.get(key) {
            let payment = state.payments.iter().position(|made| made == key);
            return match payment.filter(|_| self.dialect.tells_latest_status) {
                Some(payment) => (self.dialect.paid)(payment + 1, asked),
                None => kept.clone(),
            };
        }
        state.payments.push(key.to_owned());
        let answer = (self.dialect.paid)(state.payments.len(), asked);
        drop(state);
        self.keep(key, answer.0, answer.1)
    }

    fn keep(&self, key: &str, status: u16, body: String) -> (u16, String) {
        if !key.is_empty() && (self.dialect.keeps)(status) {
            let mut state = self.state.lock().expect("no panic while locked");
            state.kept.insert(key.to_owned(), (status, body.clone()));
        }
        (status, body)
    }

    /// Returns the number of requests with this key.
    pub fn requests(&self, key: &str) -> usize {
        let state = self.state.lock().expect("no panic while locked");
        state.seen.iter().filter(|(seen, _)| seen == key).count()
    }

    /// Returns the headers of the last request.
    pub fn last_headers(&self) -> HeaderMap {
        let state = self.state.lock().expect("no panic while locked");
        state.seen.last().expect("a request").1.clone()
    }

    /// Returns the number of payments that were made under this key.
    pub fn payments(&self, key: &str) -> usize {
        let state = self.state.lock().expect("no panic while locked");
        state.payments.iter().filter(|made| *made == key).count()
    }

    /// Waits until there were this many requests with this key.
    pub async fn reached(&self, key: &str, count: usize) {
        let mut requests = self.requests.subscribe();
        requests.wait_for(|_| self.requests(key) >= count).await.expect("the API lives");
    }

    /// Releases the answers under slow keys.
    pub fn let_go(&self) {
        self.gate.send_replace(true);
    }
}
