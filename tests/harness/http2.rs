//! An HTTP/2 client for requests with well-formed frames.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderName, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Answer;

/// An HTTP/2 connection of a client.
#[derive(Clone)]
pub struct Http2 {
    sender: SendRequest<Bytes>,
}

impl Http2 {
    /// Opens a connection by prior knowledge.
    pub async fn open(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).await.expect("the listener accepts")).await
    }

    /// Opens a connection by prior knowledge. Returns `None` if there is no listener.
    pub async fn try_open(to: SocketAddr) -> Option<Self> {
        Self::try_over(TcpStream::connect(to).await.ok()?).await
    }

    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::try_over(stream).await.expect("HTTP/2 is spoken")
    }

    async fn try_over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Option<Self> {
        let (sender, connection) = h2::client::handshake(stream).await.ok()?;
        tokio::spawn(connection);
        Some(Self { sender: sender.ready().await.ok()? })
    }

    /// Sends a head. The body follows later.
    pub async fn begin(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> (ResponseFuture, SendStream<Bytes>) {
        self.send(method, target, headers, false).await.expect("the connection is open")
    }

    /// Sends a head. Returns `Err` if the connection takes no more requests; this one was then not sent.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Option<Reason>> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut sender = self.sender.clone().ready().await.map_err(|error| error.reason())?;
        sender.send_request(request.body(()).expect("a request"), end).map_err(|error| error.reason())
    }

    /// Sends one request and returns the response. Returns `Err` if the stream or the connection ended
    /// before.
    pub async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Option<Reason>> {
        let (answer, mut stream) = self.send(method, target, headers, body.is_empty()).await?;
        if !body.is_empty() {
            // A server may answer without reading the body.
            let _ = stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true);
        }
        read(answer).await
    }

    /// Sends a POST with a key.
    pub async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        let target = format!("http://api.example{path}");
        self.request("POST", &target, &[("idempotency-key", key)], body).await.expect("an answer")
    }
}

/// Returns the trailers of a stream.
pub fn trailers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), value.parse().expect("a header value"))
    };
    lines.iter().map(line).collect()
}

/// Reads the whole response.
pub async fn read(answer: ResponseFuture) -> Result<Answer, Option<Reason>> {
    let (head, mut stream) = answer.await.map_err(|error| error.reason())?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|error| error.reason())?;
        body.extend_from_slice(&data);
        let _ = stream.flow_control().release_capacity(data.len());
    }
    assert!(stream.trailers().await.is_ok_and(|trailers| trailers.is_none()), "no trailers are passed on");
    let header = |(name, value): (&HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().expect("text").to_owned())
    };
    Ok(Answer { status: head.status.as_u16(), headers: head.headers.iter().map(header).collect(), body })
}
