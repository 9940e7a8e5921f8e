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
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::presence::Stakes;
use crate::shares::Party;

/// The slots of one listener.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
    /// Notified when a connection has ended.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// Number of open connections, including those that were told to leave.
    open: usize,
    /// Number of open connections that were told to leave.
    leaving: usize,
    /// The connections of each party that were not told to leave, the oldest first.
    of: HashMap<Party, Vec<Arc<Seat>>>,
    /// Number of such connections of each party, in ascending order.
    order: BTreeSet<(usize, Party)>,
}

/// The state of a connection, read by the search for a connection that can leave.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Number of requests that are being answered.
    asked: AtomicUsize,
    /// Counts of the requests that can be given up, and of the requests that a key protects.
    stakes: Stakes,
    /// True while the client reads nothing of a response.
    stalled: AtomicBool,
    leave: CancellationToken,
}

/// A slot, held by a connection until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    party: Party,
    seat: Arc<Seat>,
}

/// A request that is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Asked(Arc<Seat>);

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Takes a free slot, if there is one.
    pub(super) fn take(self: &Arc<Self>, party: Party) -> Option<Place> {
        let mut taken = self.lock();
        if taken.open >= self.most {
            return None;
        }
        taken.open += 1;
        let seat = Arc::<Seat>::default();
        taken.change(party, |seats| seats.push(Arc::clone(&seat)));
        Some(Place { places: Arc::clone(self), party, seat })
    }

    /// Tells a connection of the largest party to leave, unless `party`, which has `waiting` connections
    /// that wait beside its open ones, would then have more. Chooses a connection that ends at once. If
    /// there is none, and fewer than `most_leaving` connections were told to leave, chooses the oldest.
    /// Returns true if a connection was told.
    pub(super) fn make_room(&self, party: Party, waiting: usize, most_leaving: usize) -> bool {
        let mut taken = self.lock();
        let Some((most, largest)) = taken.order.last().copied() else { return false };
        if most < taken.count(party) + waiting + 2 || largest == party {
            return false;
        }
        let any = taken.leaving < most_leaving;
        let told = taken.change(largest, |seats| {
            let idle = seats.iter().position(|seat| seat.is_idle());
            idle.or_else(|| any.then_some(0)).map(|at| seats.remove(at))
        });
        told.inspect(|told| {
            taken.leaving += 1;
            told.leave.cancel();
        })
        .is_some()
    }

    /// Returns the party with the most connections.
    pub(super) fn largest(&self) -> Option<Party> {
        self.lock().order.last().map(|(_, party)| *party)
    }

    /// Returns the number of a party's connections that were not told to leave.
    pub(super) fn count(&self, party: Party) -> usize {
        self.lock().count(party)
    }

    /// Waits until a connection has ended.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Each change under this lock is made by methods that do not panic half-way.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn count(&self, party: Party) -> usize {
        self.of.get(&party).map_or(0, Vec::len)
    }

    fn change<T>(&mut self, party: Party, change: impl FnOnce(&mut Vec<Arc<Seat>>) -> T) -> T {
        let seats = self.of.entry(party).or_default();
        let before = seats.len();
        let changed = change(seats);
        let after = seats.len();
        self.order.remove(&(before, party));
        if after == 0 {
            self.of.remove(&party);
        } else {
            self.order.insert((after, party));
        }
        changed
    }
}

impl Seat {
    /// Counts a request as being answered until the returned guard is dropped.
    pub(super) fn ask(self: &Arc<Self>) -> Asked {
        self.asked.fetch_add(1, Relaxed);
        Asked(Arc::clone(self))
    }

    /// Returns the counts that the gateway keeps of the requests on this connection.
    pub(super) fn stakes(&self) -> &Stakes {
        &self.stakes
    }

    /// Records whether writes to the client stall.
    pub(super) fn stalls(&self, stalls: bool) {
        self.stalled.store(stalls, Relaxed);
    }

    /// Tells whether the connection can end without harm: nothing was claimed or sent for any request
    /// that is being answered.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.load(Relaxed) <= self.stakes.uncommitted()
    }

    /// Tells whether no request is being answered, and no bytes wait to be written.
    pub(super) fn is_quiet(&self) -> bool {
        self.asked.load(Relaxed) == 0 && !self.stalled.load(Relaxed)
    }

    /// Tells whether a connection that was told to leave still needs time.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_idle() && !self.stalled.load(Relaxed)
    }

    /// Tells whether requests are being answered that no key protects. Their responses would be lost for
    /// ever.
    pub(super) fn is_irreplaceable(&self) -> bool {
        self.asked.load(Relaxed) > self.stakes.protected()
    }

    /// Tells whether requests are being answered that can all be given up without harm.
    pub(super) fn is_only_uncommitted(&self) -> bool {
        self.asked.load(Relaxed) > 0 && self.is_idle()
    }

    /// Waits until the connection is told to leave.
    pub(super) async fn told_to_leave(&self) {
        self.leave.cancelled().await;
    }
}

impl Place {
    pub(super) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.open -= 1;
        if self.seat.leave.is_cancelled() {
            taken.leaving -= 1;
        } else {
            taken.change(self.party, |seats| seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat)));
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.asked.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: u8) -> Party {
        std::net::IpAddr::from([192, 0, 2, number]).into()
    }

    fn told(places: &[Place]) -> Vec<usize> {
        (0..places.len()).filter(|at| places[*at].seat.leave.is_cancelled()).collect()
    }

    #[test]
    fn the_party_that_has_most_makes_room_and_the_idle_go_first() {
        let places = Places::new(4);
        let held: Vec<_> = (0..4).map(|_| places.take(party(1)).expect("a place")).collect();
        assert!(places.take(party(2)).is_none());
        let busy: Vec<_> = [0, 1, 3].map(|at| held[at].seat.ask()).into();
        assert!(!places.make_room(party(1), 0, 0), "not for itself");
        assert!(places.make_room(party(2), 0, 0));
        assert_eq!(told(&held), [2]);
        assert!(!places.make_room(party(2), 0, 0), "no other can end at once");
        assert!(!places.make_room(party(2), 0, 1), "one leaves already");
        assert!(places.make_room(party(2), 0, 2));
        assert_eq!(told(&held), [0, 2]);
        assert!(!places.make_room(party(2), 1, 9), "it would have no fewer");
        drop(busy);
        drop(held);
        let taken = places.lock();
        assert_eq!((taken.open, taken.leaving, taken.order.len()), (0, 0, 0));
    }

    #[test]
    fn nobody_makes_room_where_all_have_as_many() {
        let places = Places::new(4);
        let _held: Vec<_> = (1..=4).map(|number| places.take(party(number)).expect("a place")).collect();
        assert!(!places.make_room(party(5), 0, 9));
    }
}
