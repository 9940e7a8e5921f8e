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
const HEAD_LENGTH: usize = 9;
/// Number of empty frames allowed at once, and again each second. A client that measures the round-trip
/// time with a PING for each response sends hundreds.
const EMPTY_FRAMES: BucketLimits = BucketLimits { capacity: 1000, refill_per_second: 1000, cost: 1 };
/// Number of resets allowed, in eighths: a hundred at once, ten each second, and one for every eight
/// requests on the connection.
const RESETS: BucketLimits = BucketLimits { capacity: 800, refill_per_second: 80, cost: 8 };

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
/// Largest padded frame that may hold nothing but its padding, in bytes.
const MAX_PADDING: u32 = 256;
const END_HEADERS: u8 = 4;

/// A stream of HTTP/2 that counts its frames as they are read.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    /// Bytes that were read before, which are handed on first.
    prefix: BytesMut,
    /// Number of bytes that pass without a look: the rest of the preface, then of each frame.
    skip: usize,
    head: [u8; HEAD_LENGTH],
    /// Number of bytes of the frame's head that have come.
    head_read: usize,
    buckets: Buckets,
    block: Block,
    /// Time that the head of a request may take.
    head_timeout: Duration,
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
    /// Returns a stream that counts the frames of `prefix`, then of `stream`. `prefix` begins with a
    /// preface of `preface` bytes. The head of a request may take as long as `head_timeout`.
    pub fn new(stream: S, prefix: BytesMut, preface: usize, head_timeout: Duration) -> Self {
        let (head, buckets) = ([0; HEAD_LENGTH], Buckets::new());
        Self {
            stream,
            prefix,
            skip: preface,
            head,
            head_read: 0,
            buckets,
            block: Block::None,
            head_timeout,
            alarm: None,
        }
    }

    /// Counts the frames in the bytes that are handed on.
    fn count(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let some = self.skip.min(bytes.len());
                bytes = &bytes[some..];
                self.skip -= some;
                self.finish_block();
                continue;
            }
            let some = (HEAD_LENGTH - self.head_read).min(bytes.len());
            self.head[self.head_read..self.head_read + some].copy_from_slice(&bytes[..some]);
            bytes = &bytes[some..];
            self.head_read += some;
            if self.head_read == HEAD_LENGTH {
                self.head_read = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, a, b, c]);
                self.skip = length as usize;
                self.buckets.charge(kind, flags, length)?;
                self.block = match kind {
                    HEADERS | CONTINUATION if flags & END_HEADERS == 0 => Block::Open,
                    HEADERS | CONTINUATION => Block::Last,
                    _ => self.block,
                };
            }
            self.finish_block();
        }
        Ok(())
    }

    /// Marks the head of a request as complete, once its last frame has been handed on.
    fn finish_block(&mut self) {
        if self.skip == 0 && self.head_read == 0 && self.block == Block::Last {
            self.block = Block::None;
            self.alarm = None;
        }
    }

    /// Fails when no bytes come for longer than the head of a request may take.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.block == Block::None {
            return Poll::Pending;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(self.head_timeout)));
        alarm.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The token buckets of one connection.
#[derive(Debug)]
struct Buckets {
    empty: TokenBucket,
    resets: TokenBucket,
}

impl Buckets {
    fn new() -> Self {
        Self { empty: TokenBucket::full(&EMPTY_FRAMES), resets: TokenBucket::full(&RESETS) }
    }

    fn charge(&mut self, kind: u8, flags: u8, length: u32) -> io::Result<()> {
        let spent = match kind {
            HEADERS => {
                self.resets.add(&RESETS, 1);
                true
            }
            DATA if flags & END_STREAM != 0 => true,
            DATA if flags & PADDED != 0 && length <= MAX_PADDING => self.empty.spend(&EMPTY_FRAMES),
            DATA if length > 0 => true,
            // A client sends one for each piece of its responses. They cost no more than their bytes.
            WINDOW_UPDATE => true,
            RST_STREAM => self.resets.spend(&RESETS),
            _ => self.empty.spend(&EMPTY_FRAMES),
        };
        let message = "too many empty frames or resets";
        spent.then_some(()).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

/// The limits of a token bucket.
struct BucketLimits {
    capacity: u32,
    refill_per_second: u32,
    cost: u32,
}

/// A token bucket.
#[derive(Debug)]
struct TokenBucket {
    tokens: u32,
    refilled_at: Instant,
}

impl TokenBucket {
    fn full(limits: &BucketLimits) -> Self {
        Self { tokens: limits.capacity, refilled_at: Instant::now() }
    }

    fn add(&mut self, limits: &BucketLimits, some: u32) {
        self.tokens = self.tokens.saturating_add(some).min(limits.capacity);
    }

    /// Takes the cost of one frame. Returns false if too few tokens are left.
    fn spend(&mut self, limits: &BucketLimits) -> bool {
        if self.tokens < limits.cost {
            let waited = self.refilled_at.elapsed().as_millis() * u128::from(limits.refill_per_second) / 1000;
            if waited > 0 {
                self.add(limits, u32::try_from(waited).unwrap_or(limits.capacity));
                self.refilled_at = Instant::now();
            }
        }
        self.tokens.checked_sub(limits.cost).inspect(|tokens| self.tokens = *tokens).is_some()
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
        if this.prefix.is_empty() {
            match Pin::new(&mut this.stream).poll_read(context, out) {
                Poll::Ready(read) => read?,
                Poll::Pending => return this.poll_late(context),
            }
        } else {
            let some = this.prefix.len().min(out.remaining());
            out.put_slice(&this.prefix[..some]);
            this.prefix.advance(some);
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
        frame.resize(HEAD_LENGTH + usize::from(length), 0);
        frame
    }

    /// Returns the number of rounds of these frames that a connection accepts in pieces of `piece`
    /// bytes.
    fn accepted_rounds(frames: &[Vec<u8>], piece: usize) -> usize {
        let mut counted = Frames::new((), BytesMut::new(), 0, Duration::MAX);
        let round = frames.concat();
        (0..5_000).take_while(|_| round.chunks(piece).all(|piece| counted.count(piece).is_ok())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_with_content_pass_and_empty_frames_end_the_connection() {
        for piece in [1, 7, 1000] {
            assert_eq!(accepted_rounds(&[frame(HEADERS, 5, 30)], piece), 5_000);
            assert_eq!(accepted_rounds(&[frame(HEADERS, 4, 30), frame(DATA, 1, 0)], piece), 5_000);
            assert_eq!(
                accepted_rounds(&[frame(HEADERS, 4, 30), frame(DATA, 0, 9), frame(DATA, 1, 0)], piece),
                5_000
            );
            let empty = [frame(DATA, 0, 0), frame(4, 0, 0), frame(6, 0, 8), frame(2, 0, 5), frame(9, 0, 4)];
            for empty in empty.into_iter().chain([frame(DATA, PADDED, 200)]) {
                assert_eq!(accepted_rounds(&[empty], piece), 1000);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_in_eight_may_be_reset() {
        let (head, reset) = (frame(HEADERS, 5, 30), frame(RST_STREAM, 0, 4));
        assert!(accepted_rounds(&[head.clone(), reset.clone()], 100) < 120);
        let data = frame(DATA, 0, 1);
        assert!(accepted_rounds(&[head.clone(), data.clone(), data.clone(), data, reset.clone()], 100) < 120);
        let one_in_eight = [vec![head; 8], vec![reset]].concat();
        assert_eq!(accepted_rounds(&one_in_eight, 100), 5_000);
    }

    /// The response may take longer than a head.
    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_head_ends_with_the_head() {
        for piece in [1, 9, 20, 1000] {
            let mut counted = Frames::new(tokio::io::empty(), BytesMut::new(), 0, Duration::from_secs(1));
            for frames in [frame(HEADERS, 5, 30), frame(HEADERS, 1, 30), frame(CONTINUATION, 4, 0)] {
                frames.chunks(piece).for_each(|some| counted.count(some).expect("they are borne"));
            }
            assert_eq!((counted.block, counted.skip), (Block::None, 0), "in pieces of {piece}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_are_refilled_by_time() {
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
