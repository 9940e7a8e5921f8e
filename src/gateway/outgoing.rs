//! Outgoing responses, and the memory that they hold until their clients have taken them.
//!
//! A response is freed when its last byte was handed to the system. A slow client delays that until long
//! after the execution ended. Large bodies therefore come out of a budget of their own, as large as the
//! memory that executions may hold of responses. A response that finds no room there is handled by its kind:
//!
//! * A replay, or any other response that a retry gets again, is shed as `overloaded`.
//! * The first response is always passed on. Its memory was counted with its execution, so it keeps the
//!   execution's permit until the client has taken it.
//!
//! A body of up to [`SMALL`] is not counted. It fits into the header buffer of its connection, which is
//! unused while a response is written. Streaming responses are not counted either, because no more of them is
//! read than their client takes.
//!
//! A stored response may be larger than any that the routes keep now, because an earlier configuration kept
//! it. It is replayed all the same: the room does not shrink below that of the largest response since the
//! start, and a response that is larger than all the room takes all of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::holding::held;
use crate::problem::{Problem, Slug};
use crate::shares::{Party, Share, Shares};

use super::reply::Reply;

/// The largest body that needs no room, in bytes.
const SMALL: u64 = 16 << 10;
/// The memory that all responses may take together while their clients read.
pub(super) struct Outgoing {
    room: Shares,
    /// Size of the largest body that routes kept since the start, in bytes.
    largest: AtomicUsize,
}

/// A permit for an execution, shared by the parts of the execution that may need it.
pub(super) type Permit = Arc<Share>;

impl Outgoing {
    /// Returns room for `answers` responses with bodies of up to `limit` bytes.
    pub(super) fn new(answers: usize, limit: usize) -> Self {
        Self { room: Shares::new(answers, limit), largest: AtomicUsize::new(limit) }
    }

    /// Changes the room to that of `answers` responses with bodies of up to `limit` bytes, or of the largest
    /// limit since the start.
    pub(super) fn resize(&self, answers: usize, limit: usize) {
        let largest = self.largest.fetch_max(limit, Relaxed).max(limit);
        self.room.resize(answers, largest);
    }

    /// Holds room for a response for this party that a retry with the same key gets again.
    ///
    /// # Errors
    /// Returns a [`Problem`] `overloaded` if there is no room.
    pub(super) fn repeatable(&self, reply: Reply, party: Party) -> Result<Reply, Problem> {
        let Some(size) = large(&reply) else { return Ok(reply) };
        match self.room.take(party, size.min(self.room.all())) {
            Some(share) => Ok(reply.map_body(|body| hold(body, Arc::new(share)))),
            None => Err(Problem::new(
                Slug::Overloaded,
                "Other large answers are still being read. Nothing was sent. Retry with the same key.",
            )),
        }
    }

    /// Holds room for the first response of the execution that has this permit. Without room, the response
    /// keeps the permit.
    pub(super) fn first(&self, reply: Reply, permit: &Permit) -> Reply {
        let Some(size) = large(&reply) else { return reply };
        let held = self.room.take(permit.party(), size).map_or_else(|| Arc::clone(permit), Arc::new);
        reply.map_body(|body| hold(body, held))
    }
}

/// Returns the size of a body that is held whole and needs room.
fn large(reply: &Reply) -> Option<usize> {
    let exact = reply.response.body().size_hint().exact().filter(|size| *size > SMALL)?;
    usize::try_from(exact).ok()
}

fn hold(body: Body, hold: Permit) -> Body {
    Body::new(HoldingBody { body, hold })
}

/// A body that keeps `hold` alive until the last of its bytes is freed, even after the bytes have left the
/// body.
struct HoldingBody {
    body: Body,
    hold: Permit,
}

impl http_body::Body for HoldingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let hold = Arc::clone(&self.hold);
        let held = |data| held(data, hold);
        Pin::new(&mut self.body)
            .poll_frame(context)
            .map(|next| next.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn reply(size: u64) -> Reply {
        Reply::first(Response::new(Body::from(vec![0; size as usize])), None)
    }

    fn nobody() -> Party {
        None.into()
    }

    async fn data(reply: Reply) -> Bytes {
        use http_body_util::BodyExt as _;
        reply.response.into_body().frame().await.expect("a frame").expect("data").into_data().expect("data")
    }

    #[tokio::test]
    async fn room_is_given_back_with_the_last_byte() {
        let outgoing = Outgoing::new(2, 1 << 20);
        let first = outgoing.repeatable(reply(1 << 20), nobody()).expect("there is room");
        let second = outgoing.repeatable(reply(1 << 20), nobody()).expect("there is room");
        assert_eq!(second.response.body().size_hint().exact(), Some(1 << 20));
        let mut rest = data(second).await;
        let read = rest.split_to(1 << 19);
        for _ in 0..2 {
            assert!(outgoing.repeatable(reply(SMALL + 1), nobody()).is_err());
            assert!(outgoing.repeatable(reply(SMALL), nobody()).is_ok());
        }
        drop(read);
        assert!(outgoing.repeatable(reply(SMALL + 1), nobody()).is_err());
        drop(rest);
        outgoing.repeatable(reply(1 << 20), nobody()).expect("there is room again");
        drop(first);
        assert_eq!(outgoing.room.free(), 2 << 20);
    }

    #[test]
    fn a_response_of_an_earlier_limit_has_room() {
        let outgoing = Outgoing::new(2, 1 << 20);
        outgoing.resize(2, 20 << 10);
        let first = outgoing.repeatable(reply(1 << 20), nobody()).expect("as before");
        let second = outgoing.repeatable(reply(1 << 20), nobody()).expect("as before");
        assert!(outgoing.repeatable(reply(SMALL + 1), nobody()).is_err());
        drop((first, second));
        outgoing.resize(2, 2 << 20);
        assert_eq!(outgoing.room.free(), 4 << 20);
    }

    /// The limit was lowered by a restart, so the size of the stored responses is not known.
    #[test]
    fn a_response_larger_than_all_the_room_takes_all_of_it() {
        let outgoing = Outgoing::new(2, 20 << 10);
        let small = outgoing.repeatable(reply(SMALL + 1), nobody()).expect("there is room");
        assert!(outgoing.repeatable(reply(1 << 20), nobody()).is_err());
        drop(small);
        let large = outgoing.repeatable(reply(1 << 20), nobody()).expect("there is room");
        assert!(outgoing.repeatable(reply(SMALL + 1), nobody()).is_err());
        drop(large);
        assert_eq!(outgoing.room.free(), 40 << 10);
    }

    #[tokio::test]
    async fn a_first_answer_without_room_keeps_its_place() {
        let (outgoing, permits) = (Outgoing::new(1, 1024), Shares::new(1, 1));
        let permit = Arc::new(permits.take(nobody(), 1).expect("a place"));
        let first = outgoing.first(reply(SMALL + 1), &permit);
        drop(permit);
        let data = data(first).await;
        assert_eq!(permits.free(), 0);
        drop(data);
        assert_eq!(permits.free(), 1);
    }
}
