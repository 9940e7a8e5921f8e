//! The places of connections, and which of them makes room when there are no more.
//!
//! 1. A client may open as many connections as there are places.
//! 2. Where none is free, and the party that has most connections has at least two more than the new one's
//!    party, one of its connections is told to leave, and the new one takes its place.
//! 3. One that does nothing, or for whose requests nothing was claimed or sent yet, is told first, and ends at
//!    once; any other ends with the answer that it is at, or after a while: sooner where its client does not take
//!    that, or a key protects it, so that it runs on without a connection.
//! 4. Otherwise the new connection waits until one ends; those of the party with the fewest go first. Where too
//!    many wait, one of the party with the most is closed. For a moment after one was told to leave, what becomes
//!    free is not for the party with the most: otherwise each connection of the others would have to ask anew.
//!
//! Only a connection that begins or ends takes the lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::presence::Stakes;
use crate::shares::Party;

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
    /// Told when a connection has ended.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// Connections that are open, those that were told to leave included.
    open: usize,
    /// Those that were.
    leaving: usize,
    /// Those that were not, the oldest of a party first.
    of: HashMap<Party, Vec<Arc<Seat>>>,
    /// How many each party has, in order.
    order: BTreeSet<(usize, Party)>,
}

/// What is known of a connection to whoever looks for one that can go.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Requests that are being answered.
    asked: AtomicUsize,
    /// What would be lost of them.
    stakes: Stakes,
    /// Whether its client takes nothing of an answer.
    stalled: AtomicBool,
    leave: CancellationToken,
}

/// A connection's hold on its place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    party: Party,
    seat: Arc<Seat>,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Asked(Arc<Seat>);

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), freed: Notify::new() })
    }

    /// A free place, if there is one.
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

    /// Tells a connection of the party that has most to leave, unless a party that has so many waiting beside
    /// those that are open would then have more. It is one that ends at once; where there is none, and fewer
    /// than `most_leaving` were told to leave, any other. True if one was told.
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

    /// The party that has most connections.
    pub(super) fn largest(&self) -> Option<Party> {
        self.lock().order.last().map(|(_, party)| *party)
    }

    /// How many connections a party has that were not told to leave.
    pub(super) fn count(&self, party: Party) -> usize {
        self.lock().count(party)
    }

    /// Resolves when a connection has ended.
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
    /// A request begins.
    pub(super) fn ask(self: &Arc<Self>) -> Asked {
        self.asked.fetch_add(1, Relaxed);
        Asked(Arc::clone(self))
    }

    /// What the gateway tells of the requests on this connection.
    pub(super) fn stakes(&self) -> &Stakes {
        &self.stakes
    }

    /// Says whether the client takes what is written.
    pub(super) fn stalls(&self, stalls: bool) {
        self.stalled.store(stalls, Relaxed);
    }

    /// Whether the connection can end without harm: no request is being answered for which something may have
    /// been claimed or sent.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.load(Relaxed) <= self.stakes.uncommitted()
    }

    /// Whether no request is being answered, and nothing waits to be written.
    pub(super) fn is_quiet(&self) -> bool {
        self.asked.load(Relaxed) == 0 && !self.stalled.load(Relaxed)
    }

    /// Whether a connection that was told to leave has to be waited for.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_idle() && !self.stalled.load(Relaxed)
    }

    /// Whether requests are being answered that nothing protects, so that their answers would be lost for ever.
    pub(super) fn is_irreplaceable(&self) -> bool {
        self.asked.load(Relaxed) > self.stakes.protected()
    }

    /// Whether requests are being answered, each of which can be given up without harm.
    pub(super) fn is_only_uncommitted(&self) -> bool {
        self.asked.load(Relaxed) > 0 && self.is_idle()
    }

    /// Resolves when the connection is told to leave.
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
