//! The part of HTTP/1.1 that both ends of a measurement need, so that they cost little themselves.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

/// A connection that carries one message at a time in either direction.
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

/// A request or a response.
pub struct Message {
    head: Bytes,
    pub body: Bytes,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an option of a socket");
        Self { stream, buffer: BytesMut::with_capacity(8 * 1024) }
    }

    pub async fn to(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address).await?))
    }

    pub async fn write(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await
    }

    /// Reads the next message. Returns none if the other end has closed before one.
    pub async fn read(&mut self) -> io::Result<Option<Message>> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.more().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(broken("a head ends early")) };
            }
        };
        let head = self.buffer.split_to(end + 4).freeze();
        let mut message = Message { head, body: Bytes::new() };
        message.body = if message.header("transfer-encoding").is_some() {
            self.chunks().await?
        } else {
            let length = message.header("content-length").unwrap_or("0").parse();
            self.take(length.map_err(|_| broken("not a length"))?).await?
        };
        Ok(Some(message))
    }

    /// Reads the response to a request.
    pub async fn answer(&mut self) -> io::Result<Message> {
        self.read().await?.ok_or_else(|| broken("closed instead of an answer"))
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                self.more_or_fail().await?;
            };
            let line = self.buffer.split_to(end + 2);
            let size = std::str::from_utf8(&line[..end]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| broken("not a chunk"))?;
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body.freeze());
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        while self.buffer.remaining() < length {
            self.more_or_fail().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn more_or_fail(&mut self) -> io::Result<()> {
        if self.more().await? { Ok(()) } else { Err(broken("a body ends early")) }
    }

    async fn more(&mut self) -> io::Result<bool> {
        self.buffer.reserve(4 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Message {
    /// Returns the first line.
    pub fn start(&self) -> &str {
        self.lines().next().unwrap_or_default()
    }

    /// Returns the status of a response.
    pub fn status(&self) -> u16 {
        self.start().split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then(|| value.trim()))
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        std::str::from_utf8(&self.head).unwrap_or_default().split("\r\n")
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
