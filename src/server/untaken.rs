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

use super::idle::Open;
use super::places::Asked;

/// Size of a piece, in bytes: the size of a frame that no client may refuse (RFC 9113, 6.5.2).
pub(super) const PIECE: usize = 16 << 10;

/// Numbers of responses on one connection that wait for the client since the current period, and since
/// the last one.
///
/// A period is one write timeout. Two counters suffice, because on a connection that goes on no response
/// waits since an earlier period. All of a connection runs on one thread, so that these numbers need no
/// order among each other.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    period: AtomicUsize,
    waiting: [AtomicUsize; 2],
}

impl Untaken {
    /// Waits until nothing was taken of some response for longer than `patience`.
    pub(super) async fn too_long(&self, patience: Duration) {
        loop {
            sleep(patience).await;
            if !self.turn() {
                return;
            }
        }
    }

    /// Begins the next period. Returns false if a response has waited for the whole of the current one.
    fn turn(&self) -> bool {
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
pub(super) type Holds = (Share, Open, Asked);

/// The progress of a client through one response.
#[derive(Debug)]
struct Taking {
    connection: Arc<Untaken>,
    /// Number of pieces that the library holds.
    pieces: AtomicUsize,
    /// The period in which a piece was last added or taken.
    since: AtomicUsize,
    _holds: Holds,
}

impl Taking {
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
struct Piece(Arc<Taking>);

impl Piece {
    fn of(taking: &Arc<Taking>, bytes: Bytes) -> Bytes {
        taking.add();
        held(bytes, Self(Arc::clone(taking)))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// A body that is sent in pieces.
pub(super) struct Pieces {
    body: Body,
    /// Bytes that were read from the body and not sent yet.
    rest: Bytes,
    taking: Arc<Taking>,
}

impl Pieces {
    pub(super) fn new(body: Body, connection: Arc<Untaken>, holds: Holds) -> Self {
        let (pieces, since) = Default::default();
        let taking = Arc::new(Taking { connection, pieces, since, _holds: holds });
        Self { body, rest: Bytes::new(), taking }
    }
}

impl http_body::Body for Pieces {
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
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(Piece::of(&this.taking, piece)))))
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
    use crate::server::places::Seat;
    use crate::shares::Shares;

    fn pieces(connection: &Arc<Untaken>, size: usize) -> (Pieces, Shares) {
        let places = Shares::new(1, 1);
        let place = places.take(None.into(), 1).expect("a place");
        let holds = (place, Arc::new(Requests::new()).begin(), Arc::<Seat>::default().ask());
        (Pieces::new(Body::from(vec![7; size]), Arc::clone(connection), holds), places)
    }

    async fn next(pieces: &mut Pieces) -> Bytes {
        use http_body_util::BodyExt as _;
        pieces.frame().await.expect("a frame").expect("data").into_data().expect("data")
    }

    #[tokio::test]
    async fn what_is_taken_in_time_may_take_long() {
        let connection = Arc::<Untaken>::default();
        let (mut pieces, places) = pieces(&connection, 3 * PIECE - 1);
        let mut had = next(&mut pieces).await;
        for size in [PIECE, PIECE - 1] {
            assert!(connection.turn() && !pieces.is_end_stream());
            let following = next(&mut pieces).await;
            assert_eq!(following.len(), size);
            assert!(connection.turn());
            had = following;
        }
        assert!(pieces.is_end_stream());
        drop(pieces);
        assert_eq!(places.free(), 0, "a piece is not taken yet");
        drop(had);
        assert_eq!(places.free(), 1);
        assert!(connection.turn() && connection.turn() && connection.turn());
    }

    #[tokio::test]
    async fn what_is_not_taken_ends_the_connection() {
        let connection = Arc::<Untaken>::default();
        let (mut slow, _) = pieces(&connection, 1);
        let (mut other, _) = pieces(&connection, 4 * PIECE);
        let kept = next(&mut slow).await;
        assert!(connection.turn());
        drop(next(&mut other).await);
        assert!(!connection.turn() && !connection.turn());
        drop(kept);
        assert!(connection.turn());
    }
}
