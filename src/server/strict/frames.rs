//! HTTP/2 frames, counted before the HTTP library reads them.
//!
//! The library bounds what a connection may hold, not how much it may be made to do: frames that bring
//! nothing (empty DATA, PING, SETTINGS, PRIORITY, CONTINUATION, unknown types) and streams that are
//! reset as fast as they are opened cost the client next to nothing. Here each connection has a budget
//! for them: what brings a request or a piece of a body earns a little, time earns a little, and who
//! has spent everything is disconnected. Nothing is changed in what passes, and nothing is kept.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

/// The length of a frame's head (RFC 9113, 4.1).
const HEAD: usize = 9;
/// The most a connection can have saved up.
const BUDGET: u32 = 200;
/// What a frame costs that brings nothing.
const EMPTY: u32 = 1;
/// What a reset costs: of streams that are opened and reset, the budget bears about seventy.
const RESET: u32 = 4;
/// How often one more is earned by waiting.
const EARNED_EVERY: Duration = Duration::from_millis(100);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

/// A stream of HTTP/2 whose frames are counted as they are read.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    /// What was read before; it is handed on first.
    before: BytesMut,
    /// The rest of the preface, then of each frame, that needs no look.
    pass: usize,
    head: [u8; HEAD],
    /// How much of the head has come.
    have: usize,
    budget: Budget,
}

impl<S> Frames<S> {
    /// Counts what `stream` brings after `before`, which begins with a preface of this length.
    pub fn new(stream: S, before: BytesMut, preface: usize) -> Self {
        Self { stream, before, pass: preface, head: [0; HEAD], have: 0, budget: Budget::new() }
    }

    /// Looks at what is handed on.
    fn count(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.pass > 0 {
                let some = self.pass.min(bytes.len());
                bytes = &bytes[some..];
                self.pass -= some;
                continue;
            }
            let some = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + some].copy_from_slice(&bytes[..some]);
            bytes = &bytes[some..];
            self.have += some;
            if self.have == HEAD {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, a, b, c]);
                self.pass = length as usize;
                self.budget.take(kind, flags, length)?;
            }
        }
        Ok(())
    }
}

/// What a connection may still waste.
#[derive(Debug)]
struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    fn new() -> Self {
        Self { left: BUDGET, since: Instant::now() }
    }

    fn take(&mut self, kind: u8, flags: u8, length: u32) -> io::Result<()> {
        match kind {
            HEADERS => self.earn(1),
            DATA if length > 0 || flags & END_STREAM != 0 => self.earn(1),
            // As many as its answers have pieces; they cost no more than their bytes.
            WINDOW_UPDATE => {}
            RST_STREAM => return self.spend(RESET),
            _ => return self.spend(EMPTY),
        }
        Ok(())
    }

    fn earn(&mut self, some: u32) {
        self.left = self.left.saturating_add(some).min(BUDGET);
    }

    fn spend(&mut self, some: u32) -> io::Result<()> {
        if self.left < some {
            let waited = self.since.elapsed().as_millis() / EARNED_EVERY.as_millis();
            self.earn(u32::try_from(waited).unwrap_or(BUDGET));
            self.since = Instant::now();
        }
        self.left = self.left.checked_sub(some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "too many frames that bring nothing, or resets")
        })?;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = out.filled().len();
        if this.before.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(context, out))?;
        } else {
            let some = this.before.len().min(out.remaining());
            out.put_slice(&this.before[..some]);
            this.before.advance(some);
        }
        Poll::Ready(this.count(&out.filled()[filled..]))
    }
}

written_as_is!(Frames);

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + usize::from(length), 0);
        frame
    }

    /// How many rounds of these frames a connection bears, handed on in pieces of this size.
    fn borne(frames: &[Vec<u8>], piece: usize) -> usize {
        let mut counted = Frames::new((), BytesMut::new(), 0);
        let round = frames.concat();
        (0..5_000).take_while(|_| round.chunks(piece).all(|piece| counted.count(piece).is_ok())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn what_brings_something_passes_and_what_brings_nothing_ends() {
        for piece in [1, 7, 1000] {
            assert_eq!(borne(&[frame(HEADERS, 5, 30)], piece), 5_000);
            assert_eq!(borne(&[frame(HEADERS, 4, 30), frame(DATA, 1, 0)], piece), 5_000);
            assert_eq!(borne(&[frame(HEADERS, 4, 30), frame(DATA, 0, 9), frame(6, 0, 8)], piece), 5_000);
            for empty in [frame(DATA, 0, 0), frame(4, 0, 0), frame(6, 0, 8), frame(2, 0, 5), frame(9, 0, 4)] {
                assert_eq!(borne(&[empty], piece), BUDGET as usize);
            }
            let rapid_reset = [frame(HEADERS, 5, 30), frame(RST_STREAM, 0, 4)];
            assert!(borne(&rapid_reset, piece) < 70);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_earned() {
        let mut counted = Frames::new((), BytesMut::new(), 0);
        for _ in 0..50 {
            for _ in 0..100 {
                counted.count(&frame(6, 0, 8)).expect("ten pings a second are few");
                tokio::time::advance(EARNED_EVERY).await;
            }
        }
    }
}
