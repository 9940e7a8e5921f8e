//! The HTTP client of all characters in the script. It never repeats a request by itself.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::Value;

use super::error::DemoError;
use super::ledger::Charge;

/// Longest wait for any answer: longer than any step of the script can take.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An HTTP client that is cheap to clone.
#[derive(Clone)]
pub(super) struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

impl Client {
    pub(super) fn new() -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        Self(builder.retry_canceled_requests(false).build_http())
    }

    /// Posts `body` as JSON with a credential, and with an idempotency key if there is one.
    pub(super) async fn post(
        &self,
        to: SocketAddr,
        path: &str,
        key: Option<&str>,
        body: &impl Serialize,
    ) -> Result<Answer, DemoError> {
        let mut request = Request::builder().method(Method::POST).uri(url(to, path));
        request = request.header(CONTENT_TYPE, "application/json").header(AUTHORIZATION, "Bearer shop");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = serde_json::to_vec(body).map_err(|error| DemoError::new(error.to_string()))?;
        self.send(request, Full::from(body)).await
    }

    /// Gets a document.
    pub(super) async fn get(&self, from: SocketAddr, path: &str) -> Result<Answer, DemoError> {
        let request = Request::builder().method(Method::GET).uri(url(from, path));
        self.send(request, Full::default()).await
    }

    async fn send(&self, request: http::request::Builder, body: Full<Bytes>) -> Result<Answer, DemoError> {
        let request = request.body(body).map_err(|error| DemoError::new(error.to_string()))?;
        let target = format!("{} {}", request.method(), request.uri());
        let failed = |reason: String| DemoError::new(format!("{target}: {reason}"));
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| failed(error.to_string()))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let answered = tokio::time::timeout(LONGEST_WAIT, exchange).await;
        answered.unwrap_or_else(|_| Err(failed(format!("no answer within {LONGEST_WAIT:?}"))))
    }
}

fn url(to: SocketAddr, path: &str) -> String {
    format!("http://{to}{path}")
}

/// A complete answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Tells whether the gateway marked this answer as a replay.
    pub(super) fn is_replay(&self) -> bool {
        self.header("idempotent-replayed") == "true"
    }

    /// Returns a header as text, or an empty text if there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns a text member of the body, or an empty text if there is none.
    pub(super) fn member(&self, name: &str) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body[name].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the slug of the problem that the gateway names, or an empty text if it names none.
    pub(super) fn problem(&self) -> String {
        self.member("type").rsplit_once(':').map(|(_, slug)| slug.to_owned()).unwrap_or_default()
    }

    /// Summarizes the answer in a few words.
    pub(super) fn summary(&self) -> String {
        let status = self.status.as_u16();
        if let Ok(charge) = serde_json::from_slice::<Charge>(&self.body) {
            let replayed = if self.is_replay() { ", Idempotent-Replayed: true" } else { "" };
            return format!("{status} {}{replayed}", charge.id);
        }
        match (self.problem(), self.member("executed")) {
            (problem, executed) if !executed.is_empty() => {
                format!("{status} {problem}, executed: {executed}")
            }
            _ => format!("{status} {}", self.member("state")).trim_end().to_owned(),
        }
    }
}
