//! Shares of something that all callers take from: places of executions, bytes of bodies.
//!
//! The rule, in whole units (a place, the largest body):
//!
//! * A party may take what is free, as long as it holds less than [`GREED`] times as much as is free.
//!
//! So a party that is alone gets [`GREED`] parts of [`GREED`] + 1, and all of it where there are no more than
//! [`GREED`] + 1 units. The rest stays free for parties that hold less, whose number nobody has to know: `n`
//! parties that take all they can leave one part of [`GREED`] × n + 1. What is taken is never taken back.
//!
//! One lock of a few is held for the length of an addition, and none while anything is waited for.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many times as much as is free a party may hold.
pub const GREED: usize = 8;
/// How many locks the parties are spread over.
const SHARDS: usize = 16;
/// How much of an IPv6 address tells a party: the rest is chosen by hosts of one network (RFC 4291, 2.5.4).
const NETWORK: u128 = !0 << 64;

/// A client as far as shares are concerned: an IPv4 address, or an IPv6 network of 64 bits.
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
    /// All clients without an address are one party.
    fn from(address: Option<IpAddr>) -> Self {
        address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).into()
    }
}

/// A number of units, and who holds them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shares(Arc<All>);

#[derive(Debug)]
struct All {
    free: AtomicUsize,
    unit: usize,
    held: [Mutex<HashMap<Party, usize>>; SHARDS],
    hasher: RandomState,
    /// Told when something is given back.
    given_back: Notify,
}

/// What a party holds; dropped, it is given back.
#[derive(Debug)]
pub struct Share {
    of: Shares,
    party: Party,
    size: usize,
}

impl Shares {
    /// So many units, each of `unit` parts; everything else here is said in parts.
    #[must_use]
    pub fn new(units: usize, unit: usize) -> Self {
        let unit = unit.max(1);
        let free = AtomicUsize::new(units.saturating_mul(unit));
        let (held, hasher, given_back) = Default::default();
        Self(Arc::new(All { free, unit, held, hasher, given_back }))
    }

    /// Takes `size` parts for a party; `None` if they are not free, or not for a party that holds so much.
    #[must_use]
    pub fn take(&self, party: Party, size: usize) -> Option<Share> {
        let mut share = self.nothing(party);
        share.grow(size).then_some(share)
    }

    /// A share that is empty and may grow.
    #[must_use]
    pub fn nothing(&self, party: Party) -> Share {
        Share { of: self.clone(), party, size: 0 }
    }

    /// How much nobody holds.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.free.load(Relaxed)
    }

    /// Told each time that something is given back.
    #[must_use]
    pub fn given_back(&self) -> &Notify {
        &self.0.given_back
    }

    fn held(&self, party: Party) -> MutexGuard<'_, HashMap<Party, usize>> {
        let at = self.0.hasher.hash_one(party) as usize % SHARDS;
        // Under this lock one number is changed.
        self.0.held[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Takes from what is free, for a party that holds so much.
    fn take(&self, size: usize, held: usize) -> bool {
        let rest = |free: usize| {
            let allowed = held / self.unit < GREED.saturating_mul(free.div_ceil(self.unit));
            free.checked_sub(size).filter(|_| allowed)
        };
        self.free.fetch_update(Relaxed, Relaxed, rest).is_ok()
    }
}

impl Share {
    /// Whose it is.
    #[must_use]
    pub fn party(&self) -> Party {
        self.party
    }

    /// How much it is.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes `more` parts; false, and as it was, if that cannot be.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        if more == 0 {
            return true;
        }
        let mut held = self.of.held(self.party);
        let of_party = held.get(&self.party).copied().unwrap_or(0);
        let taken = self.of.0.take(more, of_party);
        if taken {
            held.insert(self.party, of_party + more);
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
            }
        }
        drop(held);
        self.of.0.free.fetch_add(self.size, Relaxed);
        self.of.0.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: u8) -> Party {
        IpAddr::from([192, 0, 2, number]).into()
    }

    /// As many shares of one part as a party gets.
    fn all_of(shares: &Shares, number: u8) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(party(number), 1)).collect()
    }

    #[test]
    fn a_party_alone_gets_all_of_a_few_and_leaves_a_ninth_of_many() {
        for units in 0..=GREED + 1 {
            assert_eq!(all_of(&Shares::new(units, 1), 1).len(), units);
        }
        let shares = Shares::new(1024, 1);
        let greedy = all_of(&shares, 1);
        assert_eq!(greedy.len(), 911);
        drop(greedy);
        assert_eq!((shares.free(), shares.held(party(1)).len()), (1024, 0));
    }

    #[test]
    fn others_find_room_however_many_take_all_they_can() {
        let shares = Shares::new(1024, 1);
        let mut held = Vec::new();
        for number in 1..=20 {
            let greedy = all_of(&shares, number);
            assert!(!greedy.is_empty());
            held.push(greedy);
        }
        assert!(shares.free() >= 1024 / (20 * GREED + 1), "{} are free", shares.free());
        let honest = all_of(&shares, 21);
        assert!(!honest.is_empty());
        held.clear();
        drop(honest);
        assert_eq!(shares.free(), 1024);
    }

    #[test]
    fn what_was_given_back_goes_to_the_party_that_holds_less() {
        let shares = Shares::new(90, 1);
        let mut greedy = all_of(&shares, 1);
        let modest = all_of(&shares, 2);
        assert!(modest.len() > 1 && greedy.len() == 80);
        greedy.pop();
        assert!(shares.take(party(1), 1).is_none());
        assert!(shares.take(party(2), 1).is_some());
    }

    #[test]
    fn whole_units_count() {
        let shares = Shares::new(2, 100);
        let (mut first, mut second) = (shares.nothing(party(1)), shares.nothing(party(1)));
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
