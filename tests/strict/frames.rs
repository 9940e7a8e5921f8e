//! HTTP/2 frame by frame: requests that a client library would not send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITIZED: u8 = 32;

/// The longest time until a server reacts.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// Returns a header block: literals without indexing and without Huffman (RFC 7541, 6.2.2).
pub fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in lines {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "a length of one byte");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The pseudo-headers of a valid request.
pub const PSEUDO: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/v1/charges")];

/// Returns a keyed request on a stream, with these additional lines.
pub fn post(stream: u32, flags: u8, lines: &[(&str, &str)]) -> Vec<u8> {
    let lines = [&PSEUDO[..], &[("idempotency-key", "k")], lines].concat();
    frame(HEADERS, flags, stream, block(&lines))
}

/// The way in which the server ended the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream was reset for this reason.
    Stream(u32),
    /// The connection ended for this reason, or without a GOAWAY frame if there is none.
    Connection(Option<u32>),
    /// The stream got a response.
    Answered,
}

/// A connection with frames that are made by hand.
pub struct Frames(TcpStream);

impl Frames {
    /// Opens a connection and exchanges settings.
    pub async fn open(to: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(to).await.expect("the listener accepts");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("it reads");
        stream.write_all(&frame(SETTINGS, 0, 0, [])).await.expect("it reads");
        stream.write_all(&frame(SETTINGS, ACK, 0, [])).await.expect("it reads");
        Self(stream)
    }

    /// Sends bytes. Returns false once the other side reads no more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.0.write_all(bytes)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Returns the next frame: its kind, flags and payload. Returns `None` at the end of the connection.
    async fn next(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, payload))
    }

    /// Waits until the server ends a stream or the connection.
    pub async fn end(&mut self) -> End {
        let code = |payload: &[u8]| payload.try_into().map(u32::from_be_bytes).expect("a code");
        let waited = timeout(PATIENCE, async {
            loop {
                match self.next().await {
                    None => return End::Connection(None),
                    Some((GOAWAY, _, payload)) => return End::Connection(Some(code(&payload[4..8]))),
                    Some((RST_STREAM, _, payload)) => return End::Stream(code(&payload)),
                    Some((HEADERS, _, _)) => return End::Answered,
                    Some(_) => {}
                }
            }
        });
        waited.await.expect("the server reacts")
    }

    /// Waits for the end of the connection.
    pub async fn closed(&mut self) {
        let closed = timeout(PATIENCE, async { while self.next().await.is_some() {} });
        closed.await.expect("the connection is closed");
    }
}
