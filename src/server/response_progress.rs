//! The responses that the client of an HTTP/2 connection has yet to read.
//!
//! A client that opens no window stalls its streams without stalling the socket. No other limit would
//! notice it: pings are answered, and the library waits for windows without end. Therefore every
//! response is sent in pieces that record when the last one was taken. A response of which nothing was
//! taken for the write timeout, or for twice that at most, ends the connection. The time in which a
//! response waits for the upstream does not count, because the client is not at fault.
//!
//! A response also keeps its share of the open requests until it is taken. The shares bound the memory
//! that the library keeps for all responses, which is a part of the invariant on memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::sleep;

use crate::holding::held;
use crate::shares::Share;

use super::idle::OpenRequest;
use super::slots::ActiveRequest;

/// Size of a piece, in bytes: the size of a frame that no client may refuse (RFC 9113, 6.5.2).
pub(super) const PIECE_SIZE: usize = 16 << 10;

/// Numbers of responses on one connection that wait for the client since the current period, and since
/// the last one.
///
/// A period is one write timeout. Two counters suffice, because on a connection that goes on no response
/// waits since an earlier period. All of a connection runs on one thread, so that these numbers need no
/// order among each other.
#[derive(Debug, Default)]
pub(super) struct UnreadResponses {
    period: AtomicUsize,
    waiting: [AtomicUsize; 2],
}

impl UnreadResponses {
    /// Waits until nothing was taken of some response for longer than `period`.
    pub(super) async fn until_stalled(&self, period: Duration) {
        loop {
            sleep(period).await;
            if !self.next_period() {
                return;
            }
        }
    }

    /// Begins the next period. Returns false if a response has waited for the whole of the current one.
    fn next_period(&self) -> bool {
        let last = 1 - self.period.load(Relaxed);
        if self.waiting[last].load(Relaxed) > 0 {
            return false;
        }
        self.period.store(last, Relaxed);
        true
    }
}

/// The guards that a response holds until it is taken: its share of the open requests, its open request,
/// and its request that is being answered.
pub(super) type ResponseGuards = (Share, OpenRequest, ActiveRequest);

/// The progress of a client through one response.
#[derive(Debug)]
struct ResponseProgress {
    connection: Arc<UnreadResponses>,
    /// Number of pieces that the library holds.
    pieces: AtomicUsize,
    /// The period in which a piece was last added or taken.
    since: AtomicUsize,
    _guards: ResponseGuards,
}

impl ResponseProgress {
    fn add(&self) {
        if self.pieces.fetch_add(1, Relaxed) > 0 {
            self.leave();
        }
        self.enter();
    }

    fn take(&self) {
        self.leave();
        if self.pieces.fetch_sub(1, Relaxed) > 1 {
            self.enter();
        }
    }

    fn enter(&self) {
        let period = self.connection.period.load(Relaxed);
        self.connection.waiting[period].fetch_add(1, Relaxed);
        self.since.store(period, Relaxed);
    }

    fn leave(&self) {
        self.connection.waiting[self.since.load(Relaxed)].fetch_sub(1, Relaxed);
    }
}

/// A piece that the library holds. When it is dropped, the client has taken it.
struct SentPiece(Arc<ResponseProgress>);

impl SentPiece {
    fn of(progress: &Arc<ResponseProgress>, bytes: Bytes) -> Bytes {
        progress.add();
        held(bytes, Self(Arc::clone(progress)))
    }
}

impl Drop for SentPiece {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// A body that is sent in pieces.
pub(super) struct PacedBody {
    body: Body,
    /// Bytes that were read from the body and not sent yet.
    rest: Bytes,
    progress: Arc<ResponseProgress>,
}

impl PacedBody {
    pub(super) fn new(body: Body, connection: Arc<UnreadResponses>, guards: ResponseGuards) -> Self {
        let (pieces, since) = Default::default();
        let progress = Arc::new(ResponseProgress { connection, pieces, since, _guards: guards });
        Self { body, rest: Bytes::new(), progress }
    }
}

impl http_body::Body for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                ended => return Poll::Ready(ended),
            };
            match frame.into_data() {
                Ok(data) => this.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_SIZE));
        Poll::Ready(Some(Ok(Frame::data(SentPiece::of(&this.progress, piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;
    use crate::server::idle::Requests;
    use crate::server::slots::ConnectionState;
    use crate::shares::Shares;

    fn pieces(connection: &Arc<UnreadResponses>, size: usize) -> (PacedBody, Shares) {
        let shares = Shares::new(1, 1);
        let share = shares.take(None.into(), 1).expect("a place");
        let guards =
            (share, Arc::new(Requests::new()).begin(), Arc::<ConnectionState>::default().begin_request());
        (PacedBody::new(Body::from(vec![7; size]), Arc::clone(connection), guards), shares)
    }

    async fn next(pieces: &mut PacedBody) -> Bytes {
        use http_body_util::BodyExt as _;
        pieces.frame().await.expect("a frame").expect("data").into_data().expect("data")
    }

    #[tokio::test]
    async fn a_response_read_in_time_may_take_long() {
        let connection = Arc::<UnreadResponses>::default();
        let (mut pieces, shares) = pieces(&connection, 3 * PIECE_SIZE - 1);
        let mut had = next(&mut pieces).await;
        for size in [PIECE_SIZE, PIECE_SIZE - 1] {
            assert!(connection.next_period() && !pieces.is_end_stream());
            let following = next(&mut pieces).await;
            assert_eq!(following.len(), size);
            assert!(connection.next_period());
            had = following;
        }
        assert!(pieces.is_end_stream());
        drop(pieces);
        assert_eq!(shares.free(), 0, "a piece is not taken yet");
        drop(had);
        assert_eq!(shares.free(), 1);
        assert!(connection.next_period() && connection.next_period() && connection.next_period());
    }

    #[tokio::test]
    async fn a_response_that_is_not_read_ends_the_connection() {
        let connection = Arc::<UnreadResponses>::default();
        let (mut slow, _) = pieces(&connection, 1);
        let (mut other, _) = pieces(&connection, 4 * PIECE_SIZE);
        let kept = next(&mut slow).await;
        assert!(connection.next_period());
        drop(next(&mut other).await);
        assert!(!connection.next_period() && !connection.next_period());
        drop(kept);
        assert!(connection.next_period());
    }
}
