//! The slots of connections, and the choice of the connection that makes room when no slot is free.
//!
//! 1. A client may open as many connections as there are slots.
//! 2. When no slot is free, and the party with the most connections has at least two more than the party
//!    of the new connection, a connection of the largest party is told to leave, and the new connection
//!    takes its slot.
//! 3. A connection without requests, or with requests for which nothing was claimed or sent yet, is told
//!    first, and ends at once. Any other connection ends with its current response, or after a while. It
//!    ends sooner when its client does not read the response, or when a key protects the request,
//!    because the execution then goes on without a connection.
//! 4. Otherwise the new connection waits until another ends. Connections of the party with the fewest go
//!    first. When too many wait, one of the party with the most is closed. For a moment after a
//!    connection was told to leave, free slots are not given to the largest party. Otherwise each
//!    connection of the other parties would have to ask anew.
//!
//! Only a connection that begins or ends takes the lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::presence::OpenRequests;
use crate::shares::Party;

/// The slots of one listener.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    // Each change under this lock is made by methods that do not panic half-way.
    occupancy: Mutex<Occupancy>,
    /// Notified when a connection has ended.
    freed: Notify,
    /// Cancelled when the stop is announced.
    announced: CancellationToken,
}

#[derive(Debug, Default)]
struct Occupancy {
    /// Number of open connections, including those that were told to leave.
    open: usize,
    /// Number of open connections that were told to leave.
    leaving: usize,
    /// The connections of each party that were not told to leave, the oldest first.
    by_party: HashMap<Party, Vec<Arc<ConnectionState>>>,
    /// Number of such connections of each party, in ascending order.
    by_count: BTreeSet<(usize, Party)>,
}

/// The state of a connection, read by the search for a connection that can leave.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    /// Number of requests that are being answered.
    active_requests: AtomicUsize,
    /// Counts of the requests that can be given up, and of the requests that a key protects.
    open_requests: OpenRequests,
    /// True while the client reads nothing of a response.
    stalled: AtomicBool,
    /// Cancelled when the connection is told to leave, to make room.
    leave: CancellationToken,
    /// Cancelled when the connection is told to leave, and when the stop is announced. A connection watches
    /// this token alone, because each step of the connection looks at the tokens that it watches.
    end: CancellationToken,
}

/// A slot, held by a connection until this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    party: Party,
    state: Arc<ConnectionState>,
}

/// A request that is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct ActiveRequest(Arc<ConnectionState>);

impl Slots {
    pub(super) fn new(max: usize, announced: CancellationToken) -> Arc<Self> {
        Arc::new(Self { max, occupancy: Mutex::default(), freed: Notify::new(), announced })
    }

    /// Takes a free slot, if there is one.
    pub(super) fn take(self: &Arc<Self>, party: Party) -> Option<Slot> {
        let mut occupancy = self.occupancy.lock();
        if occupancy.open >= self.max {
            return None;
        }
        occupancy.open += 1;
        // Each connection has its own token, because a shared token is locked at each look.
        let state = ConnectionState { end: self.announced.child_token(), ..ConnectionState::default() };
        let state = Arc::new(state);
        occupancy.update(party, |states| states.push(Arc::clone(&state)));
        Some(Slot { slots: Arc::clone(self), party, state })
    }

    /// Tells a connection of the largest party to leave, unless `party`, which has `waiting` connections
    /// that wait beside its open ones, would then have more. Chooses a connection that ends at once. If
    /// there is none, and fewer than `max_leaving` connections were told to leave, chooses the oldest.
    /// Returns true if a connection was told.
    pub(super) fn make_room(&self, party: Party, waiting: usize, max_leaving: usize) -> bool {
        let mut occupancy = self.occupancy.lock();
        let Some((count, largest)) = occupancy.by_count.last().copied() else { return false };
        if count < occupancy.count(party) + waiting + 2 || largest == party {
            return false;
        }
        let any = occupancy.leaving < max_leaving;
        let chosen = occupancy.update(largest, |states| {
            let idle = states.iter().position(|state| state.is_idle());
            idle.or_else(|| any.then_some(0)).map(|at| states.remove(at))
        });
        chosen
            .inspect(|chosen| {
                occupancy.leaving += 1;
                chosen.leave.cancel();
                chosen.end.cancel();
            })
            .is_some()
    }

    /// Returns the party with the most connections.
    pub(super) fn largest(&self) -> Option<Party> {
        self.occupancy.lock().by_count.last().map(|(_, party)| *party)
    }

    /// Returns the number of a party's connections that were not told to leave.
    pub(super) fn count(&self, party: Party) -> usize {
        self.occupancy.lock().count(party)
    }

    /// Waits until a connection has ended.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Occupancy {
    fn count(&self, party: Party) -> usize {
        self.by_party.get(&party).map_or(0, Vec::len)
    }

    fn update<T>(&mut self, party: Party, update: impl FnOnce(&mut Vec<Arc<ConnectionState>>) -> T) -> T {
        let states = self.by_party.entry(party).or_default();
        let before = states.len();
        let updated = update(states);
        let after = states.len();
        self.by_count.remove(&(before, party));
        if after == 0 {
            self.by_party.remove(&party);
        } else {
            self.by_count.insert((after, party));
        }
        updated
    }
}

impl ConnectionState {
    /// Counts a request as being answered until the returned guard is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        self.active_requests.fetch_add(1, Relaxed);
        ActiveRequest(Arc::clone(self))
    }

    /// Returns the counts that the gateway keeps of the requests on this connection.
    pub(super) fn open_requests(&self) -> &OpenRequests {
        &self.open_requests
    }

    /// Records whether writes to the client stall.
    pub(super) fn set_stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Relaxed);
    }

    /// Tells whether the connection can end without harm: nothing was claimed or sent for any request
    /// that is being answered.
    pub(super) fn is_idle(&self) -> bool {
        self.active_requests.load(Relaxed) <= self.open_requests.uncommitted()
    }

    /// Tells whether no request is being answered, and no bytes wait to be written.
    pub(super) fn is_quiet(&self) -> bool {
        self.active_requests.load(Relaxed) == 0 && !self.stalled.load(Relaxed)
    }

    /// Tells whether a connection that was told to leave still needs time.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_idle() && !self.stalled.load(Relaxed)
    }

    /// Tells whether requests are being answered that no key protects. Their responses would be lost for
    /// ever.
    pub(super) fn has_unprotected_requests(&self) -> bool {
        self.active_requests.load(Relaxed) > self.open_requests.protected()
    }

    /// Tells whether requests are being answered that can all be given up without harm.
    pub(super) fn is_only_uncommitted(&self) -> bool {
        self.active_requests.load(Relaxed) > 0 && self.is_idle()
    }

    /// Waits until the connection is told to leave, or the stop is announced.
    pub(super) async fn told_to_end(&self) {
        self.end.cancelled().await;
    }

    /// Tells whether the connection was told to leave.
    pub(super) fn is_told_to_leave(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// Waits until the connection is told to leave.
    pub(super) async fn told_to_leave(&self) {
        self.leave.cancelled().await;
    }
}

impl Slot {
    pub(super) fn state(&self) -> &Arc<ConnectionState> {
        &self.state
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut occupancy = self.slots.occupancy.lock();
        occupancy.open -= 1;
        if self.state.leave.is_cancelled() {
            occupancy.leaving -= 1;
        } else {
            occupancy.update(self.party, |states| states.retain(|state| !Arc::ptr_eq(state, &self.state)));
        }
        drop(occupancy);
        self.slots.freed.notify_one();
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active_requests.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: u8) -> Party {
        std::net::IpAddr::from([192, 0, 2, number]).into()
    }

    fn chosen(slots: &[Slot]) -> Vec<usize> {
        (0..slots.len()).filter(|at| slots[*at].state.leave.is_cancelled()).collect()
    }

    #[test]
    fn the_largest_party_makes_room_and_idle_connections_go_first() {
        let slots = Slots::new(4, CancellationToken::new());
        let held: Vec<_> = (0..4).map(|_| slots.take(party(1)).expect("a slot")).collect();
        assert!(slots.take(party(2)).is_none());
        let busy: Vec<_> = [0, 1, 3].map(|at| held[at].state.begin_request()).into();
        assert!(!slots.make_room(party(1), 0, 0), "not for itself");
        assert!(slots.make_room(party(2), 0, 0));
        assert_eq!(chosen(&held), [2]);
        assert!(!slots.make_room(party(2), 0, 0), "no other can end at once");
        assert!(!slots.make_room(party(2), 0, 1), "one leaves already");
        assert!(slots.make_room(party(2), 0, 2));
        assert_eq!(chosen(&held), [0, 2]);
        assert!(!slots.make_room(party(2), 1, 9), "it would have no fewer");
        drop(busy);
        drop(held);
        let occupancy = slots.occupancy.lock();
        assert_eq!((occupancy.open, occupancy.leaving, occupancy.by_count.len()), (0, 0, 0));
    }

    #[test]
    fn no_connection_makes_room_if_all_parties_have_as_many() {
        let slots = Slots::new(4, CancellationToken::new());
        let _held: Vec<_> = (1..=4).map(|number| slots.take(party(number)).expect("a slot")).collect();
        assert!(!slots.make_room(party(5), 0, 9));
    }
}
