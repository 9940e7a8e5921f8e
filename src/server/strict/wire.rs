//! The socket as the HTTP library sees it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncRead, ReadBuf};

use super::chunked::{Broken, Chunked};
use super::head::{BARE, Framing, MAX_HEAD, MAX_TARGET, Refusal, TOO_LARGE, TOO_LONG, check};

/// What the library reads instead of a head that is refused.
const INSTEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// The end of a chunked body.
const TAIL: &[u8] = b"\r\n";
/// The longest request line: its target, and what is beside that.
const LONGEST_FIRST: usize = MAX_TARGET + 64;
/// How much is read from the socket at once.
const PIECE: usize = 16 * 1024;

/// Why the last request of a connection was refused, if it was.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<OnceLock<Refusal>>);

impl Refusals {
    /// The refusal that the request which the service is called with stands for.
    #[must_use]
    pub fn get(&self) -> Option<Refusal> {
        self.0.get().copied()
    }
}

/// A stream whose requests are checked as they are read.
#[derive(Debug)]
pub struct Strict<S> {
    stream: S,
    buffer: BytesMut,
    state: State,
    refusals: Refusals,
}

#[derive(Debug)]
enum State {
    /// Gathering a head; the buffer was looked at so far, and whether the end of the first line is in there.
    Head { seen: usize, begun: bool },
    /// Handing on a head that was checked.
    Checked { left: usize, framing: Framing },
    /// In a body of known length.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// Handing on the end of a chunked body.
    Tail(&'static [u8]),
    /// Handing on what stands for a refused head; nothing follows.
    Refused(&'static [u8]),
    /// A chunked body was wrong; nothing follows.
    Broken,
}

impl<S> Strict<S> {
    /// Checks what `stream` brings after `before`. Whoever answers requests asks [`Refusals`] first.
    pub fn new(stream: S, before: BytesMut) -> (Self, Refusals) {
        let refusals = Refusals::default();
        let state = State::Head { seen: 0, begun: false };
        (Self { stream, buffer: before, state, refusals: refusals.clone() }, refusals)
    }

    /// Looks for the end of the head in what has been gathered; the next state, if there is one. It is the same
    /// in whichever pieces a head comes, and no byte is looked at twice for it.
    fn gathered(&mut self, mut seen: usize, mut begun: bool) -> Option<State> {
        while let Some(at) = memchr(b'\n', &self.buffer[seen..]) {
            seen += at + 1;
            let line = &self.buffer[..seen];
            if line == b"\r\n" {
                // Empty lines before a request are no request (RFC 9112, 2.2).
                self.buffer.advance(seen);
                seen = 0;
                continue;
            }
            if let Some(refusal) = too_much(seen, begun) {
                return Some(self.refuse(refusal));
            }
            if !line.ends_with(b"\r\n") {
                // There is no need to wait for the end of this.
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
        // The line that is not at its end has one byte more at least.
        if let Some(refusal) = too_much(seen + 1, begun) {
            return Some(self.refuse(refusal));
        }
        self.state = State::Head { seen, begun };
        None
    }

    fn refuse(&mut self, refusal: Refusal) -> State {
        // It is the first of this connection, for nothing is read after it.
        let _ = self.refusals.0.set(refusal);
        State::Refused(INSTEAD)
    }

    /// The state behind a message that is framed like this.
    fn body(framing: Framing) -> State {
        match framing {
            Framing::Length(0) => State::Head { seen: 0, begun: false },
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::new()),
        }
    }

    /// Hands on what is in the buffer; the next state, and `None` if there is nothing to go on with.
    fn hand_on(&mut self, out: &mut ReadBuf<'_>) -> Result<Option<State>, Broken> {
        let room = out.remaining();
        Ok(match self.state {
            State::Head { seen, begun } => self.gathered(seen, begun),
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
            State::Tail(rest) => Some(match hand_out(rest, out) {
                [] => State::Head { seen: 0, begun: false },
                rest => State::Tail(rest),
            }),
            State::Refused(rest) => Some(State::Refused(hand_out(rest, out))),
            State::Broken => return Err(Broken),
        })
    }

    fn pass(&mut self, some: usize, out: &mut ReadBuf<'_>) -> usize {
        out.put_slice(&self.buffer[..some]);
        self.buffer.advance(some);
        some
    }
}

/// Why a head is refused that has a line which ends behind so many bytes.
fn too_much(bytes: usize, begun: bool) -> Option<Refusal> {
    match begun {
        false if bytes > LONGEST_FIRST => Some(TOO_LONG),
        _ if bytes > MAX_HEAD => Some(TOO_LARGE),
        _ => None,
    }
}

/// Hands out as much as there is room for; returns the rest.
fn hand_out(bytes: &'static [u8], out: &mut ReadBuf<'_>) -> &'static [u8] {
    let (some, rest) = bytes.split_at(bytes.len().min(out.remaining()));
    out.put_slice(some);
    rest
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads more from the stream. A connection that has nothing to say keeps no buffer.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(PIECE);
        let read = tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), context, &mut self.buffer);
        if read.is_pending() && self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        read
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        loop {
            if let State::Refused([]) = this.state {
                // The answer ends the connection. An end of the stream would end it before.
                return Poll::Pending;
            }
            match this.hand_on(out) {
                Ok(Some(state)) => this.state = state,
                Ok(None) => {
                    if ready!(this.poll_fill(context))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(Broken) => {
                    this.state = State::Broken;
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

written_as_is!(Strict);
