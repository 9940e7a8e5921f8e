//! The socket as the HTTP library sees it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::presence::Presence;
use crate::spare;

use super::chunked::{Broken, Chunked};
use super::head::{Framing, MAX_HEAD, MAX_TARGET, check, method_and_path};
use super::read_timeouts::ReadTimeouts;
use super::refusal::{BARE, Refusal, TLS, TOO_LARGE, TOO_LONG};
use super::refusals::Refusals;

/// The head that the library reads instead of a refused one.
const REPLACEMENT_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// The end of a chunked body.
const TAIL: &[u8] = b"\r\n";
/// Maximum length of the request line: the target, and the other parts of the line.
const MAX_FIRST_LINE: usize = MAX_TARGET + 64;
/// Number of bytes that are read from the socket at once.
const READ_SIZE: usize = 16 * 1024;
/// The first byte of a TLS handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// Time within which a client that only has nothing more to send ends its side after a request. A client
/// that ends its side later has most likely given up.
const HALF_CLOSE_WINDOW: Duration = Duration::from_millis(100);

/// A stream that checks its requests as they are read.
#[derive(Debug)]
pub struct Strict<S> {
    stream: S,
    buffer: BytesMut,
    state: State,
    refusals: Refusals,
    presence: Presence,
    /// Limits on the waits, if there are any.
    timeouts: Option<ReadTimeouts>,
    /// True while the library waits for more of a request.
    library_waits: bool,
    /// Time at which the last request had been handed on to its end.
    request_ended_at: Option<Instant>,
    /// True once the client has ended its side.
    ended: bool,
}

#[derive(Debug)]
enum State {
    /// Gathering a head. The first `seen` bytes of the buffer were looked at, and `begun` tells whether
    /// the end of the first line is among them.
    Head { seen: usize, begun: bool },
    /// Handing on a checked head.
    Checked { left: usize, framing: Framing },
    /// In a body of known length.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// Handing on the end of a chunked body.
    Tail(&'static [u8]),
    /// Handing on the replacement of a refused head. Nothing follows.
    Refused(&'static [u8]),
    /// Stopped at a fault in a chunked body. Nothing follows.
    Broken,
}

impl<S> Strict<S> {
    /// Returns a stream that checks the bytes of `before`, then of `stream`. A service that answers the
    /// requests asks [`Refusals`] first.
    pub fn new(stream: S, before: BytesMut) -> (Self, Refusals) {
        let refusals = Refusals::default();
        let state = State::Head { seen: 0, begun: false };
        let strict = Self {
            stream,
            buffer: before,
            state,
            refusals: refusals.clone(),
            presence: Presence::default(),
            timeouts: None,
            library_waits: false,
            request_ended_at: None,
            ended: false,
        };
        (strict, refusals)
    }

    /// Returns the stream with limits: it fails when the first head, or a head that has begun, takes
    /// longer than `head`, or when no request comes for longer than `idle`.
    #[must_use]
    pub fn with_timeouts(self, head: Duration, idle: Duration) -> Self {
        Self { timeouts: Some(ReadTimeouts::new(head, idle)), ..self }
    }

    /// Returns the presence of the client, which changes while its requests are answered.
    pub fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Enters the next state.
    fn enter(&mut self, state: State) {
        match (&self.state, &state) {
            (State::Head { .. }, State::Checked { .. } | State::Refused(_)) => {
                self.refusals.note_head();
                if let Some(timeouts) = &mut self.timeouts {
                    timeouts.stop();
                }
            }
            (State::Head { .. }, _) => {}
            (_, State::Head { .. }) => {
                self.request_ended_at = Some(Instant::now());
                // The upstream's response can be read through it meanwhile.
                spare::give_back(&mut self.buffer);
            }
            _ => {}
        }
        self.state = state;
    }

    /// Records that the client has ended its side.
    fn note_client_end(&mut self) {
        self.ended = true;
        if self
            .request_ended_at
            .is_some_and(|request_ended_at| request_ended_at.elapsed() >= HALF_CLOSE_WINDOW)
        {
            self.presence.leave();
        }
    }

    /// Looks for the end of the head in the gathered bytes. Returns the next state, if there is one. The
    /// result does not depend on the pieces in which a head comes, and no byte is looked at twice for
    /// it.
    fn find_end(&mut self, mut seen: usize, mut begun: bool) -> Option<State> {
        if self.buffer.first() == Some(&TLS_HANDSHAKE) {
            // No method begins with this byte, and the client waits for the gateway's part of the
            // handshake.
            return Some(self.refuse(TLS));
        }
        while let Some(at) = memchr(b'\n', &self.buffer[seen..]) {
            seen += at + 1;
            let line = &self.buffer[..seen];
            if line == b"\r\n" {
                // Empty lines before a request are no request (RFC 9112, 2.2).
                self.buffer.advance(seen);
                seen = 0;
                continue;
            }
            if let Some(refusal) = over_limit(seen, begun) {
                return Some(self.refuse(refusal));
            }
            if !line.ends_with(b"\r\n") {
                // The head is refused already, so that its end need not be awaited.
                return Some(self.refuse(BARE));
            }
            if line.ends_with(b"\r\n\r\n") {
                return Some(match check(line) {
                    Ok(framing) => State::Checked { left: seen, framing },
                    Err(refusal) => self.refuse(refusal),
                });
            }
            begun = true;
        }
        seen = self.buffer.len();
        // The line that is not complete has at least one more byte.
        if let Some(refusal) = over_limit(seen + 1, begun) {
            return Some(self.refuse(refusal));
        }
        self.state = State::Head { seen, begun };
        None
    }

    fn refuse(&mut self, refusal: Refusal) -> State {
        self.refusals.refuse(refusal, method_and_path(&self.buffer));
        State::Refused(REPLACEMENT_HEAD)
    }

    /// Returns the state behind a head with this framing.
    fn body(framing: Framing) -> State {
        match framing {
            Framing::Length(0) => State::Head { seen: 0, begun: false },
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::new()),
        }
    }

    /// Hands on bytes of the buffer. Returns the next state, or `None` if more bytes are needed.
    fn forward(&mut self, out: &mut ReadBuf<'_>) -> Result<Option<State>, Broken> {
        let room = out.remaining();
        Ok(match self.state {
            State::Head { seen, begun } => self.find_end(seen, begun),
            State::Checked { left, framing } => {
                let some = self.pass(left.min(room), out);
                Some(if some == left {
                    Self::body(framing)
                } else {
                    State::Checked { left: left - some, framing }
                })
            }
            State::Length(left) => {
                let wanted = usize::try_from(left).unwrap_or(usize::MAX);
                let some = self.pass(wanted.min(room).min(self.buffer.len()), out) as u64;
                let state =
                    if some == left { Self::body(Framing::Length(0)) } else { State::Length(left - some) };
                (some > 0).then_some(state)
            }
            State::Chunked(mut body) => {
                let some = room.min(self.buffer.len());
                let (passed, dropped) = body.read(&self.buffer[..some])?;
                self.pass(passed, out);
                self.buffer.advance(dropped);
                let state = if body.is_over() { State::Tail(TAIL) } else { State::Chunked(body) };
                (some > 0).then_some(state)
            }
            State::Tail(rest) => Some(match copy_out(rest, out) {
                [] => State::Head { seen: 0, begun: false },
                rest => State::Tail(rest),
            }),
            State::Refused(rest) => Some(State::Refused(copy_out(rest, out))),
            State::Broken => return Err(Broken),
        })
    }

    fn pass(&mut self, some: usize, out: &mut ReadBuf<'_>) -> usize {
        out.put_slice(&self.buffer[..some]);
        self.buffer.advance(some);
        some
    }
}

/// Returns the refusal of a head that has a line which ends behind `bytes` bytes, if that is too many.
fn over_limit(bytes: usize, begun: bool) -> Option<Refusal> {
    match begun {
        false if bytes > MAX_FIRST_LINE => Some(TOO_LONG),
        _ if bytes > MAX_HEAD => Some(TOO_LARGE),
        _ => None,
    }
}

/// Hands out as many bytes as there is room for. Returns the rest.
fn copy_out(bytes: &'static [u8], out: &mut ReadBuf<'_>) -> &'static [u8] {
    let (some, rest) = bytes.split_at(bytes.len().min(out.remaining()));
    out.put_slice(some);
    rest
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads more from the stream. A connection without bytes to read keeps no buffer.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        spare::poll_read(&mut self.stream, context, &mut self.buffer, READ_SIZE)
    }

    /// Reads more from the stream, within the limits on the waits. Returns 0 at the end of the stream.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let read = self.poll_fill(context);
        if read.is_pending()
            && let State::Head { .. } = self.state
            && let Some(timeouts) = &mut self.timeouts
        {
            return timeouts.poll_late(!self.buffer.is_empty(), context).map(Err);
        }
        read
    }

    /// Looks for the end of the client's side, or of the connection, while the library has a request to
    /// answer and reads nothing. One byte of a next request may be read; it waits in the buffer.
    ///
    /// # Errors
    /// Returns an error if the connection is gone, so that no response can be sent.
    fn look_ahead(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let answering = !self.library_waits && matches!(self.state, State::Head { .. });
        if !answering || self.ended || !self.buffer.is_empty() {
            return Ok(());
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        match Pin::new(&mut self.stream).poll_read(context, &mut one) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if one.filled().is_empty() => self.note_client_end(),
            Poll::Ready(Ok(())) => self.buffer.extend_from_slice(one.filled()),
            // The TLS stream ended without a closing alert. The request was whole, so nothing is
            // missing.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => self.note_client_end(),
            Poll::Ready(Err(error)) => return Err(error),
        }
        Ok(())
    }

    fn poll_pass(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        loop {
            if let State::Refused([]) = self.state {
                // The response ends the connection. An end of the stream would end it before.
                return Poll::Pending;
            }
            match self.forward(out) {
                Ok(Some(state)) => self.enter(state),
                Ok(None) => {
                    if ready!(self.poll_more(context))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(Broken) => {
                    self.state = State::Broken;
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a chunk is malformed",
                    )));
                }
            }
            if out.filled().len() > before || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = this.poll_pass(context, out);
        this.library_waits = read.is_pending();
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Flushes the stream, and notices that the client leaves. The library flushes whenever it is woken,
    /// also while it waits for a response, which is the one moment at which this can be noticed.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.look_ahead(context)?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
