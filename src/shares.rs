//! Shares of a quantity that all callers take from: slots of executions, bytes of bodies.
//!
//! The rules, in whole units (a slot, the largest body):
//!
//! 1. A party may take free units, as long as it holds less than [`SHARE_FACTOR`] times as many as are free.
//! 2. A party that may take none, and holds less than its fair share (the total divided by the number of
//!    parties that hold something), may wait for units that are given back. While such a party waits, a
//!    party that holds its fair share or more gets nothing.
//!
//! Therefore a single party gets [`SHARE_FACTOR`] parts of [`SHARE_FACTOR`] + 1, and all units where there
//! are no more than [`SHARE_FACTOR`]. The rest stays free for parties that hold less, and their number need
//! not be known. A share is never taken away. But the units that are given back go to parties that hold less:
//! `n` parties that go on taking as much as they can leave one part of [`SHARE_FACTOR`] × `n` + 1 in the end.
//!
//! One of a few locks is held for the length of an addition, and no lock while a party waits.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The multiple of the free units that a party may hold.
pub const SHARE_FACTOR: usize = 8;
/// Number of locks over which the parties are spread.
const SHARDS: usize = 16;
/// Mask of the bits of an IPv6 address that identify a party. Hosts of one network choose the other bits
/// (RFC 4291, 2.5.4).
const NETWORK: u128 = !0 << 64;

/// A peer as shares count it: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(IpAddr);

impl From<IpAddr> for Party {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
            address => address,
        })
    }
}

impl From<Option<IpAddr>> for Party {
    /// Makes all clients without an address one party.
    fn from(address: Option<IpAddr>) -> Self {
        address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).into()
    }
}

/// A number of units, and the parties that hold them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shares(Arc<State>);

/// Number of parts that each party holds.
type Held = HashMap<Party, usize, RandomState>;

#[derive(Debug)]
struct State {
    /// Number of free parts. It is negative while more parts are held than there are, after the number of
    /// units was reduced.
    free: AtomicIsize,
    unit: AtomicUsize,
    held: [Mutex<Held>; SHARDS],
    hasher: RandomState,
    /// Notified when a share is given back.
    given_back: Notify,
    all: AtomicUsize,
    /// Number of parties that hold something.
    parties: AtomicUsize,
    /// Number of waiting parties that hold less than their fair share.
    waiting: AtomicUsize,
}

/// The parts that a party holds. Dropping a share gives them back.
#[derive(Debug)]
pub struct Share {
    of: Shares,
    party: Party,
    size: usize,
}

impl Shares {
    /// Returns `units` free units of `unit` parts each. All other sizes here are in parts.
    #[must_use]
    pub fn new(units: usize, unit: usize) -> Self {
        let (unit, all) = sizes(units, unit);
        let (held, hasher, given_back, parties, waiting) = Default::default();
        Self(Arc::new(State {
            free: AtomicIsize::new(all.cast_signed()),
            unit: AtomicUsize::new(unit),
            held,
            hasher,
            given_back,
            all: AtomicUsize::new(all),
            parties,
            waiting,
        }))
    }

    /// Changes the number of units and their size. Shares that are held stay as they are. If they are more
    /// than there are now, nothing is free until enough of them were given back.
    pub fn resize(&self, units: usize, unit: usize) {
        let (unit, all) = sizes(units, unit);
        self.0.unit.store(unit, Relaxed);
        let before = self.0.all.swap(all, Relaxed);
        self.0.free.fetch_add(all.cast_signed() - before.cast_signed(), Relaxed);
        self.0.given_back.notify_waiters();
    }

    /// Takes `size` parts for a party. Returns `None` if they are not free, or not for a party that
    /// holds so much.
    #[must_use]
    pub fn take(&self, party: Party, size: usize) -> Option<Share> {
        let mut share = self.empty(party);
        share.grow(size).then_some(share)
    }

    /// Takes `size` parts for a party, now or, if it holds less than its fair share, within `limit`.
    pub async fn take_within(&self, party: Party, size: usize, limit: Duration) -> Option<Share> {
        if let Some(share) = self.take(party, size) {
            return Some(share);
        }
        let until = Instant::now() + limit;
        let mut waits = None;
        while self.holds_less(party) {
            waits.get_or_insert_with(|| WaitingParty::begin(self));
            let mut given_back = pin!(self.0.given_back.notified());
            given_back.as_mut().enable();
            let mut share = self.empty(party);
            if share.grow_as(size, true) {
                return Some(share);
            }
            timeout_at(until, given_back).await.ok()?;
        }
        None
    }

    /// Tells whether a party holds less than its fair share.
    fn holds_less(&self, party: Party) -> bool {
        let held = self.held(party).get(&party).copied().unwrap_or(0);
        held < self.0.fair(held)
    }

    /// Returns an empty share, which may grow.
    #[must_use]
    pub fn empty(&self, party: Party) -> Share {
        Share { of: self.clone(), party, size: 0 }
    }

    /// Returns the number of free parts.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.free()
    }

    /// Returns the number of all parts, free or not.
    #[must_use]
    pub fn all(&self) -> usize {
        self.0.all.load(Relaxed)
    }

    /// Returns the notification of each share that is given back.
    #[must_use]
    pub fn given_back(&self) -> &Notify {
        &self.0.given_back
    }

    fn held(&self, party: Party) -> MutexGuard<'_, Held> {
        let at = self.0.hasher.hash_one(party) as usize % SHARDS;
        // Only one number is changed under this lock.
        self.0.held[at].lock()
    }
}

/// Returns the size of a unit and of all units, in parts.
fn sizes(units: usize, unit: usize) -> (usize, usize) {
    let unit = unit.max(1);
    (unit, units.saturating_mul(unit).min(isize::MAX.cast_unsigned()))
}

impl State {
    /// Takes free parts for a party that holds `held` parts. `waits` tells whether it has waited for
    /// them.
    fn take(&self, size: usize, held: usize, waits: bool) -> bool {
        let unit = self.unit.load(Relaxed);
        let rest = |free: isize| {
            let free = usize::try_from(free).ok()?;
            let allowed = held / unit < SHARE_FACTOR.saturating_mul(free.div_ceil(unit));
            free.checked_sub(size).filter(|_| allowed).map(usize::cast_signed)
        };
        let all = self.all.load(Relaxed);
        // The waiting party may hold nothing, and counts all the same.
        let others_first =
            !waits && self.waiting.load(Relaxed) > 0 && held >= all / (self.parties.load(Relaxed) + 1);
        !others_first && self.free.fetch_update(Relaxed, Relaxed, rest).is_ok()
    }

    /// Returns the fair share of a party that holds `held` parts.
    fn fair(&self, held: usize) -> usize {
        let parties = self.parties.load(Relaxed) + usize::from(held == 0);
        self.all.load(Relaxed) / parties.max(1)
    }

    fn free(&self) -> usize {
        usize::try_from(self.free.load(Relaxed)).unwrap_or(0)
    }
}

/// A registration of a waiting party that holds less than its fair share.
struct WaitingParty<'s>(&'s State);

impl<'s> WaitingParty<'s> {
    fn begin(shares: &'s Shares) -> Self {
        shares.0.waiting.fetch_add(1, Relaxed);
        Self(&shares.0)
    }
}

impl Drop for WaitingParty<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl Share {
    /// Returns the party that holds the share.
    #[must_use]
    pub fn party(&self) -> Party {
        self.party
    }

    /// Returns the size of the share, in parts.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes `more` parts. Returns false, and leaves the share as it is, if that is not possible.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        self.grow_as(more, false)
    }

    fn grow_as(&mut self, more: usize, waits: bool) -> bool {
        if more == 0 {
            return true;
        }
        let mut held = self.of.held(self.party);
        let of_party = held.get(&self.party).copied().unwrap_or(0);
        let taken = self.of.0.take(more, of_party, waits);
        if taken {
            if held.insert(self.party, of_party + more).is_none() {
                self.of.0.parties.fetch_add(1, Relaxed);
            }
            self.size += more;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.size == 0 {
            return;
        }
        let mut held = self.of.held(self.party);
        if let Some(of_party) = held.get_mut(&self.party) {
            *of_party -= self.size;
            if *of_party == 0 {
                held.remove(&self.party);
                self.of.0.parties.fetch_sub(1, Relaxed);
            }
        }
        drop(held);
        self.of.0.free.fetch_add(self.size.cast_signed(), Relaxed);
        self.of.0.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn party(number: u8) -> Party {
        IpAddr::from([192, 0, 2, number]).into()
    }

    /// Returns all the shares of one part that a party gets.
    fn all_of(shares: &Shares, number: u8) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(party(number), 1)).collect()
    }

    #[test]
    fn a_party_alone_gets_all_of_a_few_and_leaves_a_ninth_of_many() {
        for units in 0..=SHARE_FACTOR {
            assert_eq!(all_of(&Shares::new(units, 1), 1).len(), units);
        }
        let shares = Shares::new(1024, 1);
        let greedy = all_of(&shares, 1);
        assert_eq!(greedy.len(), 911);
        drop(greedy);
        assert_eq!((shares.free(), shares.held(party(1)).len()), (1024, 0));
    }

    #[test]
    fn other_parties_find_room_however_many_take_all_they_can() {
        const PARTIES: u8 = 10;
        let shares = Shares::new(1024, 1);
        let mut held: Vec<_> = (0..PARTIES).map(|number| VecDeque::from(all_of(&shares, number))).collect();
        for _ in 0..1024 {
            for (number, held) in (0..PARTIES).zip(&mut held) {
                held.pop_front();
                held.extend(all_of(&shares, number));
            }
        }
        let free = 1024 / (usize::from(PARTIES) * SHARE_FACTOR + 1);
        assert!(shares.free().abs_diff(free) <= 1, "{} are free", shares.free());
        assert!(held.iter().all(|held| held.len().abs_diff(free * SHARE_FACTOR) <= SHARE_FACTOR), "unevenly");
        assert!(!all_of(&shares, PARTIES).is_empty());
    }

    #[test]
    fn returned_units_go_to_the_party_that_holds_less() {
        let shares = Shares::new(90, 1);
        let mut greedy = all_of(&shares, 1);
        let modest = all_of(&shares, 2);
        assert!(modest.len() > 1 && greedy.len() == 80, "{}", greedy.len());
        greedy.pop();
        assert!(shares.take(party(1), 1).is_none());
        assert!(shares.take(party(2), 1).is_some());
    }

    const LIMIT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_party_that_holds_less_gets_the_next_place_and_one_that_holds_most_is_refused_at_once() {
        let shares = Shares::new(4, 1);
        let mut greedy = all_of(&shares, 1);
        let began = Instant::now();
        assert!(shares.take_within(party(1), 1, LIMIT).await.is_none() && began.elapsed().is_zero());
        let waiting = tokio::spawn({
            let shares = shares.clone();
            async move { shares.take_within(party(2), 1, LIMIT).await }
        });
        tokio::task::yield_now().await;
        greedy.pop();
        assert!(shares.take(party(1), 1).is_none(), "another one waits for it");
        let place = waiting.await.expect("no panic").expect("a place");
        assert_eq!((place.party(), shares.free()), (party(2), 0));
        drop(place);
        assert!(shares.take(party(1), 1).is_some(), "nobody waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn no_party_waits_longer_than_the_limit() {
        let shares = Shares::new(4, 1);
        let (_greedy, began) = (all_of(&shares, 1), Instant::now());
        assert!(shares.take_within(party(2), 1, LIMIT).await.is_none());
        assert_eq!((began.elapsed(), shares.0.waiting.load(Relaxed)), (LIMIT, 0));
    }

    #[test]
    fn fewer_units_take_no_share_away_and_more_are_free_at_once() {
        let shares = Shares::new(4, 1);
        let mut held = all_of(&shares, 1);
        shares.resize(2, 1);
        assert_eq!((held.len(), shares.free()), (4, 0));
        for _ in 0..2 {
            held.pop();
            assert!(shares.take(party(2), 1).is_none(), "two are held, and there are two");
        }
        held.pop();
        drop(shares.take(party(2), 1).expect("one is free"));
        shares.resize(3, 10);
        assert_eq!(shares.free(), 29);
        drop(held);
        assert_eq!((shares.free(), shares.take(party(1), 30).is_some()), (30, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_party_that_waits_gets_a_unit_that_a_resize_brings() {
        let shares = Shares::new(2, 1);
        let _held = all_of(&shares, 1);
        let waiting = tokio::spawn({
            let shares = shares.clone();
            async move { shares.take_within(party(2), 1, LIMIT).await.is_some() }
        });
        tokio::task::yield_now().await;
        shares.resize(3, 1);
        assert!(waiting.await.expect("no panic"));
    }

    #[test]
    fn whole_units_count() {
        let shares = Shares::new(2, 100);
        let (mut first, mut second) = (shares.empty(party(1)), shares.empty(party(1)));
        for _ in 0..10 {
            assert!(first.grow(10) && second.grow(10));
        }
        assert!(!first.grow(1) && !second.grow(1) && first.size() == 100);
        drop(first);
        assert!(second.grow(100));
    }

    #[test]
    fn a_network_of_64_bits_is_one_party() {
        let of = |text: &str| Party::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn many_threads_lose_nothing() {
        let shares = Shares::new(64, 1);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let shares = &shares;
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        drop(shares.take(party(number % 3), 1));
                    }
                });
            }
        });
        assert_eq!(shares.free(), 64);
    }
}
