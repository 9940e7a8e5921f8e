//! HTTP/2 frames, counted before the HTTP library reads them.
//!
//! The library limits what a connection may hold, not the work that it may cause. Frames that bring
//! nothing (empty or padded DATA, PING, SETTINGS, PRIORITY, CONTINUATION, unknown types) cost their
//! sender next to nothing, and so do streams that are reset as fast as they are opened. Therefore each
//! connection has two token buckets, which time refills: one for empty frames, and one for resets, which
//! a small part of its requests refills too. A client that has emptied a bucket is disconnected. The
//! head of a request that has begun has to end in time, as in HTTP/1, because within it the library can
//! be told nothing else. The bytes pass unchanged, and none are kept.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Length of a frame's head, in bytes (RFC 9113, 4.1).
const HEAD: usize = 9;
/// Number of empty frames allowed at once, and again each second. A client that measures the round-trip
/// time with a PING for each response sends hundreds.
const EMPTY: Allowance = Allowance { most: 1000, each_second: 1000, cost: 1 };
/// Number of resets allowed, in eighths: a hundred at once, ten each second, and one for every eight
/// requests on the connection.
const RESETS: Allowance = Allowance { most: 800, each_second: 80, cost: 8 };

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
/// Largest padded frame that may hold nothing but its padding, in bytes.
const PADDING: u32 = 256;
const END_HEADERS: u8 = 4;

/// A stream of HTTP/2 that counts its frames as they are read.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    /// Bytes that were read before, which are handed on first.
    before: BytesMut,
    /// Number of bytes that pass without a look: the rest of the preface, then of each frame.
    pass: usize,
    head: [u8; HEAD],
    /// Number of bytes of the frame's head that have come.
    have: usize,
    budget: Budget,
    block: Block,
    /// Time that the head of a request may take.
    patience: Duration,
    /// Set while the rest of a request's head is awaited.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Position of the stream in the head of a request, which may be several frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    /// In a head that goes on in another frame.
    Open,
    /// In the last frame of a head.
    Last,
}

impl<S> Frames<S> {
    /// Returns a stream that counts the frames of `before`, then of `stream`. `before` begins with a
    /// preface of `preface` bytes. The head of a request may take as long as `patience`.
    pub fn new(stream: S, before: BytesMut, preface: usize, patience: Duration) -> Self {
        let (head, budget) = ([0; HEAD], Budget::new());
        Self {
            stream,
            before,
            pass: preface,
            head,
            have: 0,
            budget,
            block: Block::None,
            patience,
            alarm: None,
        }
    }

    /// Counts the frames in the bytes that are handed on.
    fn count(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.pass > 0 {
                let some = self.pass.min(bytes.len());
                bytes = &bytes[some..];
                self.pass -= some;
                self.end_block();
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
                self.block = match kind {
                    HEADERS | CONTINUATION if flags & END_HEADERS == 0 => Block::Open,
                    HEADERS | CONTINUATION => Block::Last,
                    _ => self.block,
                };
            }
            self.end_block();
        }
        Ok(())
    }

    /// Marks the head of a request as complete, once its last frame has been handed on.
    fn end_block(&mut self) {
        if self.pass == 0 && self.have == 0 && self.block == Block::Last {
            self.block = Block::None;
            self.alarm = None;
        }
    }

    /// Fails when no bytes come for longer than the head of a request may take.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.block == Block::None {
            return Poll::Pending;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        alarm.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The token buckets of one connection.
#[derive(Debug)]
struct Budget {
    empty: Purse,
    resets: Purse,
}

impl Budget {
    fn new() -> Self {
        Self { empty: Purse::full(&EMPTY), resets: Purse::full(&RESETS) }
    }

    fn take(&mut self, kind: u8, flags: u8, length: u32) -> io::Result<()> {
        let spent = match kind {
            HEADERS => {
                self.resets.earn(&RESETS, 1);
                true
            }
            DATA if flags & END_STREAM != 0 => true,
            DATA if flags & PADDED != 0 && length <= PADDING => self.empty.spend(&EMPTY),
            DATA if length > 0 => true,
            // A client sends one for each piece of its responses. They cost no more than their bytes.
            WINDOW_UPDATE => true,
            RST_STREAM => self.resets.spend(&RESETS),
            _ => self.empty.spend(&EMPTY),
        };
        let much = "too many empty frames or resets";
        spent.then_some(()).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, much))
    }
}

/// The limits of a token bucket.
struct Allowance {
    most: u32,
    each_second: u32,
    cost: u32,
}

/// A token bucket.
#[derive(Debug)]
struct Purse {
    left: u32,
    since: Instant,
}

impl Purse {
    fn full(allowance: &Allowance) -> Self {
        Self { left: allowance.most, since: Instant::now() }
    }

    fn earn(&mut self, allowance: &Allowance, some: u32) {
        self.left = self.left.saturating_add(some).min(allowance.most);
    }

    /// Takes the cost of one frame. Returns false if too few tokens are left.
    fn spend(&mut self, allowance: &Allowance) -> bool {
        if self.left < allowance.cost {
            let waited = self.since.elapsed().as_millis() * u128::from(allowance.each_second) / 1000;
            if waited > 0 {
                self.earn(allowance, u32::try_from(waited).unwrap_or(allowance.most));
                self.since = Instant::now();
            }
        }
        self.left.checked_sub(allowance.cost).inspect(|left| self.left = *left).is_some()
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
            match Pin::new(&mut this.stream).poll_read(context, out) {
                Poll::Ready(read) => read?,
                Poll::Pending => return this.poll_late(context),
            }
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
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + usize::from(length), 0);
        frame
    }

    /// Returns the number of rounds of these frames that a connection accepts in pieces of `piece`
    /// bytes.
    fn borne(frames: &[Vec<u8>], piece: usize) -> usize {
        let mut counted = Frames::new((), BytesMut::new(), 0, Duration::MAX);
        let round = frames.concat();
        (0..5_000).take_while(|_| round.chunks(piece).all(|piece| counted.count(piece).is_ok())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn what_brings_something_passes_and_what_brings_nothing_ends() {
        for piece in [1, 7, 1000] {
            assert_eq!(borne(&[frame(HEADERS, 5, 30)], piece), 5_000);
            assert_eq!(borne(&[frame(HEADERS, 4, 30), frame(DATA, 1, 0)], piece), 5_000);
            assert_eq!(borne(&[frame(HEADERS, 4, 30), frame(DATA, 0, 9), frame(DATA, 1, 0)], piece), 5_000);
            let empty = [frame(DATA, 0, 0), frame(4, 0, 0), frame(6, 0, 8), frame(2, 0, 5), frame(9, 0, 4)];
            for empty in empty.into_iter().chain([frame(DATA, PADDED, 200)]) {
                assert_eq!(borne(&[empty], piece), 1000);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_the_requests_one_in_eight_may_be_reset() {
        let (head, reset) = (frame(HEADERS, 5, 30), frame(RST_STREAM, 0, 4));
        assert!(borne(&[head.clone(), reset.clone()], 100) < 120);
        let data = frame(DATA, 0, 1);
        assert!(borne(&[head.clone(), data.clone(), data.clone(), data, reset.clone()], 100) < 120);
        let one_in_eight = [vec![head; 8], vec![reset]].concat();
        assert_eq!(borne(&one_in_eight, 100), 5_000);
    }

    /// The response may take longer than a head.
    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_whole_is_waited_for_no_longer() {
        for piece in [1, 9, 20, 1000] {
            let mut counted = Frames::new(tokio::io::empty(), BytesMut::new(), 0, Duration::from_secs(1));
            for frames in [frame(HEADERS, 5, 30), frame(HEADERS, 1, 30), frame(CONTINUATION, 4, 0)] {
                frames.chunks(piece).for_each(|some| counted.count(some).expect("they are borne"));
            }
            assert_eq!((counted.block, counted.pass), (Block::None, 0), "in pieces of {piece}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn allowances_are_refilled_by_time() {
        let mut counted = Frames::new((), BytesMut::new(), 0, Duration::MAX);
        for _ in 0..5_000 {
            counted.count(&frame(6, 0, 8)).expect("a thousand pings a second are borne");
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        for _ in 0..200 {
            counted.count(&frame(RST_STREAM, 0, 4)).expect("ten resets a second are borne");
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }
}
