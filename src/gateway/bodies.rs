//! The bodies of protected requests, and the memory that they may take together.
//!
//! 1. A body takes room as its bytes arrive, regardless of its declared length: never more than twice the
//!    bytes that have arrived.
//! 2. A small body needs no room. Together with its head it fits into the header buffer that is counted with
//!    its connection. A request that needs no execution is therefore answered however many large bodies there
//!    are.
//! 3. Room is shared as [`Shares`] says, in units of the largest body.
//! 4. If there is no room, an arriving body of the party with the most arriving bytes gives way, if that
//!    party has more of them than the asking party would have. The body that gives way is answered
//!    `overloaded`. If no body gives way, the asking body is answered `overloaded`.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::select;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::buffers::HEADER_BUFFER;
use crate::problem::{Executed, Problem, Retry, Slug};
use crate::shares::{Party, Share, Shares};

use super::body::{broken_off, drain, leave_body, too_slow};

/// The largest body that needs no room, in bytes.
const SMALL: usize = 16 << 10;
/// Time a body may take to give way.
const GIVING_WAY: Duration = Duration::from_millis(500);

/// A body read to its end, and its share of the memory set aside for bodies.
pub(super) struct Buffered {
    pub(super) bytes: Bytes,
    /// `None` for a body that was not read from a client.
    pub(super) share: Option<Share>,
}

/// The memory that bodies of protected requests may take together.
pub(super) struct BodyBudget {
    shares: Shares,
    arriving: ArrivingBodies,
    limit: AtomicUsize,
    /// The largest limit under which a record of the store may have been made, as far as it is known.
    largest: AtomicUsize,
    read_timeout: Duration,
}

/// The large bodies that are still arriving.
// Under its lock entries are only added or removed.
#[derive(Default)]
struct ArrivingBodies(Mutex<HashMap<Party, Vec<Arc<LargeBody>>>>);

/// A large body that is still arriving.
#[derive(Default)]
struct LargeBody {
    size: AtomicUsize,
    gives_way: CancellationToken,
}

/// A body that is being read.
struct ArrivingBody<'b> {
    budget: &'b BodyBudget,
    limit: usize,
    share: Share,
    /// Number of bytes that need no room.
    small: usize,
    first: Bytes,
    more: Vec<u8>,
    large: Arc<LargeBody>,
}

impl BodyBudget {
    /// Returns room for `bodies` bodies of up to `limit` bytes. Each body has to arrive within
    /// `read_timeout`.
    pub(super) fn new(bodies: usize, limit: usize, read_timeout: Duration) -> Self {
        let (shares, arriving) = (Shares::new(bodies, limit), ArrivingBodies::default());
        let [limit, largest] = [limit, limit].map(AtomicUsize::new);
        Self { shares, arriving, limit, largest, read_timeout }
    }

    /// Changes the room to that of `bodies` bodies of up to `limit` bytes. A body that arrives keeps to the
    /// limit with which it began.
    pub(super) fn resize(&self, bodies: usize, limit: usize) {
        self.limit.store(limit, Relaxed);
        self.remember(limit);
        self.shares.resize(bodies, limit);
    }

    /// Notes that bodies of up to `limit` bytes may have been executed.
    pub(super) fn remember(&self, limit: usize) {
        self.largest.fetch_max(limit, Relaxed);
    }

    /// Makes the problem for a body of more than `limit` bytes. If earlier limits were higher, an earlier
    /// attempt with this body may have been executed.
    fn too_large(&self, limit: usize, declared: Option<u64>) -> Problem {
        let detail = format!("The body of a protected request may have {limit} bytes at most.");
        let largest = self.largest.load(Relaxed);
        let may_have_run = largest > limit && declared.is_none_or(|length| length <= largest as u64);
        match may_have_run {
            false => Problem::new(Slug::RequestTooLarge, detail),
            true => Problem::new(
                Slug::RequestTooLarge,
                format!("{detail} It might have more earlier, so an earlier attempt may have been executed."),
            )
            .advising(Executed::Unknown, Retry::Never),
        }
        .closing()
    }

    /// Reads a whole body of this party. `expects` says whether the client waits for "100 Continue".
    ///
    /// # Errors
    /// Returns a [`Problem`] if the body is too large, too slow or broken, or if there is no room for it. The
    /// refusal ends the connection.
    pub(super) async fn read(
        &self,
        party: Party,
        expects: bool,
        head: &Parts,
        body: Body,
    ) -> Result<Buffered, Problem> {
        let declared = head.headers.get(CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let limit = self.limit.load(Relaxed);
        if declared.is_some_and(|length| length > limit as u64) {
            leave_body(expects, body);
            return Err(self.too_large(limit, declared));
        }
        let longest = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);
        let arriving = ArrivingBody {
            budget: self,
            limit,
            share: self.shares.empty(party),
            small: HEADER_BUFFER.saturating_sub(size(head)).min(SMALL),
            first: Bytes::new(),
            more: Vec::new(),
            large: Arc::default(),
        };
        timeout(self.read_timeout, arriving.read(body, longest)).await.unwrap_or_else(|_| Err(too_slow()))
    }
}

impl ArrivingBody<'_> {
    async fn read(mut self, mut body: Body, longest: usize) -> Result<Buffered, Problem> {
        let gives_way = self.large.gives_way.clone();
        loop {
            let frame = select! {
                biased;
                frame = body.frame() => frame,
                () = gives_way.cancelled() => return Err(no_room(body)),
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            let size = self.first.len() + self.more.len() + data.len();
            if size > self.limit {
                drain(body);
                return Err(self.budget.too_large(self.limit, None));
            }
            if !self.make_room(size, longest).await {
                return Err(no_room(body));
            }
            self.add(data);
        }
        self.forget();
        let bytes = if self.more.is_empty() { std::mem::take(&mut self.first) } else { take(&mut self.more) };
        let share = std::mem::replace(&mut self.share, self.budget.shares.empty(None.into()));
        Ok(Buffered { bytes, share: Some(share) })
    }

    /// Adds bytes to the body. Most bodies arrive in one piece, which is then not copied.
    fn add(&mut self, data: Bytes) {
        if self.first.is_empty() && self.more.is_empty() {
            self.first = data;
        } else {
            self.more.extend_from_slice(&std::mem::take(&mut self.first));
            self.more.extend_from_slice(&data);
        }
    }

    /// Makes room for `size` bytes in all, out of at most `longest` bytes. Returns false if there is no room.
    async fn make_room(&mut self, size: usize, longest: usize) -> bool {
        let in_one_piece = self.first.is_empty() && self.more.is_empty();
        let capacity = match self.more.capacity() {
            0 if in_one_piece => size,
            enough if enough >= size => return true,
            capacity => size.max((2 * capacity).min(longest)),
        };
        if capacity > self.small && !self.take(capacity).await {
            return false;
        }
        if !in_one_piece {
            self.more.reserve_exact(capacity - self.more.len());
        }
        true
    }

    /// Takes room until the body has `room` bytes of it. Returns false if there is not enough.
    async fn take(&mut self, room: usize) -> bool {
        let more = room.saturating_sub(self.share.size());
        let until = Instant::now() + GIVING_WAY;
        loop {
            let mut given_back = pin!(self.budget.shares.given_back().notified());
            given_back.as_mut().enable();
            if self.share.grow(more) {
                self.remember();
                return true;
            }
            let gives_way = self.budget.arriving.give_way(self.share.party(), more);
            if !gives_way || timeout_at(until, given_back).await.is_err() {
                return false;
            }
        }
    }

    fn remember(&self) {
        if self.large.size.swap(self.share.size(), Relaxed) == 0 {
            self.budget.arriving.add(self.share.party(), Arc::clone(&self.large));
        }
    }

    fn forget(&self) {
        if self.large.size.swap(0, Relaxed) > 0 {
            self.budget.arriving.remove(self.share.party(), &self.large);
        }
    }
}

impl Drop for ArrivingBody<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}

impl ArrivingBodies {
    fn add(&self, party: Party, large: Arc<LargeBody>) {
        self.0.lock().entry(party).or_default().push(large);
    }

    fn remove(&self, party: Party, large: &Arc<LargeBody>) {
        let mut arriving = self.0.lock();
        if let Some(of_party) = arriving.get_mut(&party) {
            of_party.retain(|other| !Arc::ptr_eq(other, large));
            if of_party.is_empty() {
                arriving.remove(&party);
            }
        }
    }

    /// Tells the largest body of the party with the most arriving bytes to give way to a body that asks for
    /// `more`. Returns false if the asking party would have the most.
    fn give_way(&self, asking: Party, more: usize) -> bool {
        let arriving = self.0.lock();
        let size = |large: &Arc<LargeBody>| large.size.load(Relaxed);
        let of = |all: &[Arc<LargeBody>]| all.iter().map(size).sum::<usize>();
        let own = arriving.get(&asking).map_or(0, |all| of(all));
        let most = arriving.iter().map(|(party, all)| (of(all), party)).max();
        let Some((_, party)) = most.filter(|(most, _)| *most > own + more) else { return false };
        let largest = arriving[party].iter().max_by_key(|large| size(large));
        largest.inspect(|large| large.gives_way.cancel()).is_some()
    }
}

/// Takes the bytes of a body that came in several pieces.
fn take(more: &mut Vec<u8>) -> Bytes {
    Bytes::from(std::mem::take(more))
}

/// Returns the approximate size of a head, in bytes.
fn size(head: &Parts) -> usize {
    let lines = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    lines.sum::<usize>() + head.uri.path().len() + head.uri.query().map_or(0, str::len)
}

/// Makes the problem for a body without room, and discards the rest of the body as it arrives.
fn no_room(body: Body) -> Problem {
    drain(body);
    Problem::overloaded().closing()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::Channel;
    use tokio::task::JoinHandle;

    use super::*;

    const LIMIT: usize = 256 << 10;

    fn party(number: u8) -> Party {
        std::net::IpAddr::from([192, 0, 2, number]).into()
    }

    type Sender = http_body_util::channel::Sender<Bytes, std::io::Error>;
    type Reading = JoinHandle<Result<Buffered, Problem>>;

    /// Begins to read a body of which these pieces have arrived.
    async fn begin(budget: &Arc<BodyBudget>, number: u8, pieces: &[usize]) -> (Sender, Reading) {
        let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
        let budget = Arc::clone(budget);
        let reading = tokio::spawn(async move {
            let (head, ()) = Request::new(()).into_parts();
            budget.read(party(number), false, &head, Body::new(body)).await
        });
        for piece in pieces {
            sender.send_data(vec![number; *piece].into()).await.expect("it is read");
        }
        (sender, reading)
    }

    async fn settled() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn shed(reading: Reading) -> bool {
        matches!(reading.await.expect("no panic"), Err(problem) if problem.slug() == Slug::Overloaded)
    }

    fn budget(bodies: usize) -> Arc<BodyBudget> {
        Arc::new(BodyBudget::new(bodies, LIMIT, Duration::from_secs(30)))
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_as_bytes_arrive() {
        let budget = budget(2);
        let (sender, reading) = begin(&budget, 1, &[1000, 1000]).await;
        settled().await;
        assert_eq!(budget.shares.free(), 2 * LIMIT, "a small body needs none");
        let (more, second) = begin(&budget, 1, &[SMALL, 1, SMALL]).await;
        settled().await;
        let taken = 2 * LIMIT - budget.shares.free();
        assert!((2 * SMALL + 1..4 * SMALL + 4).contains(&taken), "{taken}");
        drop((sender, more));
        let (first, second) = (reading.await.expect("no panic"), second.await.expect("no panic"));
        assert_eq!(first.map(|body| body.bytes.len()).ok(), Some(2000));
        let second = second.expect("it is whole");
        assert_eq!(second.bytes, vec![1; 2 * SMALL + 1]);
        assert!(budget.shares.free() < 2 * LIMIT, "held for as long as the body is");
        drop(second);
        assert_eq!(budget.shares.free(), 2 * LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_still_coming_gives_way_to_a_party_for_which_less_is() {
        let budget = budget(2);
        let (_first, one) = begin(&budget, 1, &[LIMIT - 1]).await;
        let (second, two) = begin(&budget, 1, &[LIMIT]).await;
        settled().await;
        let (_third, three) = begin(&budget, 1, &[LIMIT]).await;
        assert!(shed(three).await, "nothing gives way to the same party");
        let (honest, payment) = begin(&budget, 2, &[LIMIT / 2]).await;
        assert!(shed(two).await, "the larger one");
        drop((honest, second));
        assert_eq!(payment.await.expect("no panic").expect("there is room").bytes.len(), LIMIT / 2);
        let (fourth, four) = begin(&budget, 2, &[LIMIT]).await;
        drop(fourth);
        assert!(four.await.expect("no panic").is_ok() && !one.is_finished());
    }
}
