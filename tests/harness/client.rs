//! An HTTP/1.1 client that hides nothing: headers with their count and order, and bodies as bytes.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the value of a header that appears at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} appears {} times", values.len());
        values.first().copied()
    }

    /// Returns all values of a header in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn is_replay(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// Checks that this is the problem `slug` with the members of the contract, and returns its members.
    pub fn problem(&self, status: u16, slug: &str, executed: &str, retry: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let members = self.json();
        let expected = match slug {
            "about:blank" => slug.to_owned(),
            _ => format!("urn:oncegate:problem:{slug}"),
        };
        assert_eq!(members["type"], expected, "{members}");
        assert_eq!(members["status"], status, "{members}");
        assert_eq!(members["executed"], executed, "{members}");
        assert_eq!(members["retry"], retry, "{members}");
        assert_eq!(self.header("idempotency-executed"), Some(executed), "{self:?}");
        assert_eq!(members["error"]["message"], members["detail"], "{members}");
        assert!(members["error"]["code"].is_string() && members["error"]["type"].is_string(), "{members}");
        let repeat = if retry == "same-key" && slug != "caller-unknown" { "true" } else { "false" };
        for name in ["stripe-should-retry", "x-should-retry"] {
            assert_eq!(self.header(name), Some(repeat), "{self:?}");
        }
        assert_eq!(self.header("idempotency-record"), members["record"].as_str(), "{self:?}");
        for text in ["title", "detail"] {
            assert!(members[text].as_str().is_some_and(|text| text.len() > 10), "{members}");
        }
        let again = ["in-flight", "upstream-unreachable", "store-unavailable", "overloaded", "shutting-down"];
        let again = again.contains(&slug) || (slug, retry) == ("outcome-unknown", "same-key");
        assert_eq!(self.header("retry-after").is_some(), again, "{slug}: Retry-After");
        members
    }
}

/// A connection for requests that a well-behaved client would not send.
pub struct Connection<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(to: SocketAddr) -> Self {
        Self::try_open(to).await.expect("the listener accepts")
    }

    /// Opens a connection. Returns `None` if there is no listener.
    pub async fn try_open(to: SocketAddr) -> Option<Self> {
        Some(Self::over(TcpStream::connect(to).await.ok()?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the peer reads");
    }

    /// Reads one whole response.
    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer before the end of the stream")
    }

    /// Reads one whole response. Returns `None` if the stream ends before that.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        let (mut answer, head) = loop {
            if let Some(parsed) = parse_head(&self.buffer) {
                break parsed;
            }
            self.more().await?;
        };
        self.buffer.drain(..head);
        let chunked = answer.all("transfer-encoding").contains(&"chunked");
        let length = answer.header("content-length").map(|length| length.parse::<usize>().expect("a number"));
        answer.body = match (chunked, length) {
            (true, _) => self.chunks().await?,
            (false, Some(length)) => self.exactly(length).await?,
            (false, None) if answer.status == 204 || answer.status == 304 => Vec::new(),
            (false, None) => {
                while self.more().await.is_some() {}
                std::mem::take(&mut self.buffer)
            }
        };
        Some(answer)
    }

    /// Reads the head of a response that has no body, whatever its headers say.
    pub async fn head(&mut self) -> Answer {
        loop {
            if let Some((answer, head)) = parse_head(&self.buffer) {
                self.buffer.drain(..head);
                assert!(self.buffer.is_empty(), "a response without a body");
                return answer;
            }
            self.more().await.expect("a head before the end of the stream");
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }

    async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                    break self.buffer.drain(..at + 2).collect::<Vec<_>>();
                }
                self.more().await?;
            };
            let size = std::str::from_utf8(&line).expect("a chunk size").trim().to_owned();
            let size = usize::from_str_radix(&size, 16).expect("a chunk size");
            let chunk = self.exactly(size + 2).await?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Some(body);
            }
        }
    }
}

fn parse_head(buffer: &[u8]) -> Option<(Answer, usize)> {
    let end = buffer.windows(4).position(|quad| quad == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header line");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Some((Answer { status, headers: lines.map(header).collect(), body: Vec::new() }, end + 4))
}

/// Returns the bytes of a request with a body of known length. Adds `Host`.
pub fn request_bytes(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: api.example\r\n");
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [bytes.as_bytes(), body].concat()
}

/// Sends one request on a connection of its own and returns the response.
pub async fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let mut connection = Connection::open(to).await;
    connection.send(request_bytes(method, path, headers, body.as_ref())).await;
    connection.answer().await
}

/// Sends a POST with a key and returns the response.
pub async fn post(to: SocketAddr, path: &str, key: &str, body: impl AsRef<[u8]>) -> Answer {
    request(to, "POST", path, &[("idempotency-key", key)], body).await
}
