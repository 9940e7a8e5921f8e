//! A connection that a client keeps for one request after the other, over HTTP/1 or HTTP/2.

use std::net::SocketAddr;

use h2::Reason;
use tokio::io::AsyncWriteExt;

use super::client::request_bytes;
use super::http2::read;
use super::{Answer, Connection, Http2};

/// A connection that is used until the gateway says that it ends.
pub struct Kept {
    wire: Wire,
    is_over: bool,
}

enum Wire {
    One(Connection),
    Two(Http2),
}

/// The reason why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The connection took no more requests. The gateway has nothing of this one.
    NotSent,
    /// The connection ended before the answer.
    Lost,
}

impl Kept {
    /// Opens a connection. Returns `None` if there is no listener.
    pub async fn open(to: SocketAddr, http2: bool) -> Option<Self> {
        let wire = match http2 {
            true => Wire::Two(Http2::try_open(to).await?),
            false => Wire::One(Connection::try_open(to).await?),
        };
        Some(Self { wire, is_over: false })
    }

    /// Tells whether the last answer said that it ends the connection.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Sends a POST with a key, and waits for the answer.
    pub async fn post(&mut self, path: &str, key: &str, body: &str) -> Result<Answer, NoAnswer> {
        let headers = [("idempotency-key", key), ("content-type", "application/json")];
        match &mut self.wire {
            Wire::One(connection) => {
                let bytes = request_bytes("POST", path, &headers, body.as_bytes());
                let answer = over_http1(connection, &bytes).await?;
                self.is_over = answer.header("connection") == Some("close");
                Ok(answer)
            }
            Wire::Two(client) => over_http2(client, path, &headers, body).await,
        }
    }
}

async fn over_http1(connection: &mut Connection, bytes: &[u8]) -> Result<Answer, NoAnswer> {
    // Clients look for the end of a connection before they use it again.
    match connection.stream.try_read(&mut [0]) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        Ok(1..) => panic!("bytes without a request"),
        _ => return Err(NoAnswer::NotSent),
    }
    // An answer may have been given before the gateway stopped reading.
    let _ = connection.stream.write_all(bytes).await;
    connection.try_answer().await.ok_or(NoAnswer::Lost)
}

async fn over_http2(
    client: &Http2,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, NoAnswer> {
    let target = format!("http://api.example{path}");
    let sent = client.send("POST", &target, headers, false).await;
    let (answer, mut stream) = sent.map_err(|_| NoAnswer::NotSent)?;
    // A server may answer without reading the body.
    let _ = stream.send_data(bytes::Bytes::copy_from_slice(body.as_bytes()), true);
    read(answer).await.map_err(|reason| match reason {
        Some(Reason::REFUSED_STREAM) => NoAnswer::NotSent,
        _ => NoAnswer::Lost,
    })
}
