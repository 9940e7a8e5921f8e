//! The connection as the HTTP library sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::ext::ReasonPhrase;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::spare;

use super::Broken;
use super::chunks::Chunks;
use super::fields::Head;
use super::gather::Gathering;
use super::lines::Framing;

/// Number of bytes that are read at once while a head comes in.
const READ_SIZE: usize = 8 * 1024;
/// The end of a chunked body.
const TAIL: Bytes = Bytes::from_static(b"\r\n");

/// The parts of a response's head beside status and framing.
#[derive(Debug)]
pub struct ResponseHead {
    /// The text behind the status, if it is not the usual one.
    pub reason: Option<ReasonPhrase>,
    /// The header lines; `None` if they cannot be passed on.
    pub headers: Option<HeaderMap>,
}

/// The link between a connection and the pool that uses it.
#[derive(Clone, Debug, Default)]
pub struct Link(Arc<Mutex<Request>>);

/// The request that was last given to a connection.
#[derive(Debug, Default)]
struct Request {
    /// True for HEAD. Taken when the first byte of the request is written.
    announced: Option<bool>,
    head: Option<ResponseHead>,
}

impl Link {
    /// Announces a request. The response to a HEAD request has no body.
    pub fn announce(&self, to_head: bool) {
        *self.0.lock() = Request { announced: Some(to_head), head: None };
    }

    /// Tells whether no byte was written of the request that was announced last.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.0.lock().announced.is_some()
    }

    /// Takes the header lines of the response, once its head was read.
    #[must_use]
    pub fn take(&self) -> Option<ResponseHead> {
        self.0.lock().head.take()
    }
}

/// A stream that reads responses before the library sees them.
#[derive(Debug)]
pub struct Lenient<S> {
    stream: S,
    /// Bytes that were read and not yet handed on.
    buffer: BytesMut,
    state: State,
    link: Link,
    head_limit: usize,
}

#[derive(Debug)]
enum State {
    /// Waiting for a request. No bytes may come.
    Idle,
    /// Gathering a head.
    Head(Gathering),
    /// Handing on the replacement of the head.
    Replacement(Bytes, Framing),
    /// In a body of known length.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunks),
    /// Handing on the end of a chunked body.
    Tail(Bytes),
    /// In a body that ends with the connection.
    Close,
    /// Stopped at a fault. No further bytes can be read.
    Broken,
}

impl<S> Lenient<S> {
    /// Returns a stream that reads the responses of `stream`, with heads of up to `head_limit` bytes.
    pub fn new(stream: S, head_limit: usize) -> (Self, Link) {
        let link = Link::default();
        let state = State::Idle;
        (Self { stream, buffer: BytesMut::new(), state, link: link.clone(), head_limit }, link)
    }

    /// Keeps the contents of a response's head. Returns the state that hands on a head in its place.
    fn replace_head(&mut self, head: Head) -> Result<State, Broken> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Broken("it switches protocols without a request to do so"));
        }
        let replacement = Bytes::from(replacement_head(&head));
        let Head { reason, headers, framing, .. } = head;
        self.link.0.lock().head = Some(ResponseHead { reason, headers });
        Ok(State::Replacement(replacement, framing))
    }

    /// Hands on bytes of the buffer. Returns true if more bytes have to be read.
    fn forward(&mut self, out: &mut ReadBuf<'_>) -> Result<bool, Broken> {
        match &mut self.state {
            State::Idle | State::Broken => return Ok(true),
            State::Head(gathering) => {
                let to_head = gathering.to_head();
                let Some(head) = gathering.read(&mut self.buffer)? else { return Ok(true) };
                let interim =
                    head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS;
                self.state = if interim {
                    State::Head(Gathering::new(self.head_limit, to_head))
                } else {
                    self.replace_head(head)?
                };
            }
            State::Replacement(replacement, framing) => {
                copy_out(replacement, out);
                if replacement.is_empty() {
                    self.state = body_state(*framing);
                }
            }
            State::Tail(tail) => {
                copy_out(tail, out);
                if tail.is_empty() {
                    self.state = State::Idle;
                }
            }
            State::Length(_) | State::Chunked(_) | State::Close if self.buffer.is_empty() => return Ok(true),
            State::Length(_) | State::Chunked(_) | State::Close => {
                let some = self.buffer.len().min(out.remaining());
                let mut buffer = std::mem::take(&mut self.buffer);
                let (passed, rest) = self.body(&buffer[..some]);
                out.put_slice(&buffer[..passed]);
                buffer.advance(rest);
                self.buffer = buffer;
            }
        }
        Ok(false)
    }

    /// Follows the body through some bytes. Returns the number of bytes to hand on, and the start of the
    /// bytes that do not belong to the body.
    fn body(&mut self, bytes: &[u8]) -> (usize, usize) {
        match &mut self.state {
            State::Length(left) => {
                let some = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= some as u64;
                if *left == 0 {
                    self.state = State::Idle;
                }
                (some, some)
            }
            State::Chunked(chunks) => {
                let (passed, dropped) = chunks.read(bytes);
                if chunks.is_over() {
                    self.state = State::Tail(TAIL);
                }
                (passed, passed + dropped)
            }
            _ => (bytes.len(), bytes.len()),
        }
    }
}

/// Writes the head that the library reads. The library would keep a reason other than the usual one.
fn replacement_head(head: &Head) -> Vec<u8> {
    let mut text = Vec::with_capacity(128);
    let reason = head.status.canonical_reason().unwrap_or_default();
    for part in ["HTTP/1.1 ", head.status.as_str(), " ", reason, "\r\n"] {
        text.extend_from_slice(part.as_bytes());
    }
    match head.framing {
        Framing::Length(length) => {
            text.extend_from_slice(b"content-length: ");
            text.extend_from_slice(HeaderValue::from(length).as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => text.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::Close => {}
    }
    if head.closes || matches!(head.framing, Framing::Close) {
        text.extend_from_slice(b"connection: close\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// Returns the state behind a head with this framing.
fn body_state(framing: Framing) -> State {
    match framing {
        Framing::Length(0) => State::Idle,
        Framing::Length(length) => State::Length(length),
        Framing::Chunked => State::Chunked(Chunks::new()),
        Framing::Close => State::Close,
    }
}

/// Hands out as many bytes as there is room for, and keeps the rest.
fn copy_out(bytes: &mut Bytes, out: &mut ReadBuf<'_>) {
    let some = bytes.split_to(bytes.len().min(out.remaining()));
    out.put_slice(&some);
}

impl<S: AsyncRead + Unpin> Lenient<S> {
    /// Waits on a connection that has no request. Returns an error once bytes come, and `Ok` when the
    /// connection ends.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.buffer.is_empty() {
            return Poll::Ready(Err(unexpected_bytes()));
        }
        spare::give_back(&mut self.buffer);
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut byte))?;
        if byte.filled().is_empty() { Poll::Ready(Ok(())) } else { Poll::Ready(Err(unexpected_bytes())) }
    }

    /// Reads more bytes. Returns false if there are no more.
    fn poll_more(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        if let State::Head(_) = self.state {
            let read = spare::poll_read(&mut self.stream, context, &mut self.buffer, READ_SIZE);
            return Poll::Ready(Ok(ready!(read)? > 0));
        }
        // A body is read into `out` without a copy.
        let before = out.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, out))?;
        let came = out.filled().len() - before;
        if came > 0 {
            let (passed, rest) = self.body(&out.filled()[before..]);
            self.buffer.extend_from_slice(&out.filled()[before + rest..]);
            out.set_filled(before + passed);
        }
        Poll::Ready(Ok(came > 0))
    }

    /// Begins a request, if the connection is silent.
    fn begin(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(to_head) = self.link.0.lock().announced else { return Ok(()) };
        match &self.state {
            State::Idle => match self.poll_silence(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => return Err(io::ErrorKind::ConnectionReset.into()),
                Poll::Ready(Err(error)) => return Err(error),
            },
            _ => return Err(unexpected_bytes()),
        }
        self.link.0.lock().announced = None;
        self.state = State::Head(Gathering::new(self.head_limit, to_head));
        Ok(())
    }
}

/// Makes the error for bytes that no request asked for. The connection ends with it.
fn unexpected_bytes() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the upstream sent bytes that no request asked for")
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        while out.filled().len() == before && out.remaining() > 0 {
            let more = match &this.state {
                State::Idle => return this.poll_silence(context),
                State::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                _ => this.forward(out),
            };
            match more {
                Ok(false) => {}
                Ok(true) => {
                    if !ready!(this.poll_more(context, out))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(Broken(why)) => {
                    this.state = State::Broken;
                    let why = format!("the answer is broken: {why}");
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin(context)?;
        Pin::new(&mut this.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
