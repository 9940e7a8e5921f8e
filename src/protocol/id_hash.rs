//! The hash of record ids in maps of this process.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The state of maps with record ids as keys. An id is a digest, so one multiplication spreads it well. The
/// state is random in each map, so that no client can look for ids that meet in one place.
#[derive(Clone, Debug)]
pub struct IdHash([u64; 2]);

impl Default for IdHash {
    fn default() -> Self {
        let random = RandomState::new();
        Self([random.hash_one(0), random.hash_one(1)])
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        let Self([state, factor]) = *self;
        IdHasher { state, factor }
    }
}

/// The hash of one id while it is made.
#[derive(Debug)]
pub struct IdHasher {
    state: u64,
    factor: u64,
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks(16) {
            let (first, second) = pair.split_at(pair.len().min(8));
            let product = u128::from(self.state ^ number(first)) * u128::from(self.factor ^ number(second));
            self.state = (product as u64) ^ ((product >> 64) as u64);
        }
    }

    /// Ignores the length, which is the same for all ids.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.state
    }
}

fn number(bytes: &[u8]) -> u64 {
    match bytes.try_into() {
        Ok(eight) => u64::from_le_bytes(eight),
        Err(_) => bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::RecordId;
    use super::*;

    fn id(bytes: [u8; 20]) -> RecordId {
        RecordId::from_bytes(&bytes).expect("twenty bytes")
    }

    #[test]
    fn each_bit_of_an_id_changes_both_ends_of_its_hash() {
        let hash = IdHash::default();
        let one = hash.hash_one(id([0x5a; 20]));
        assert_eq!(one, hash.hash_one(id([0x5a; 20])));
        assert_ne!(one, IdHash::default().hash_one(id([0x5a; 20])));
        let (mut low, mut high) = (HashSet::new(), HashSet::new());
        for bit in 0..160 {
            let mut bytes = [0x5a; 20];
            bytes[bit / 8] ^= 1 << (bit % 8);
            let other = hash.hash_one(id(bytes));
            assert_ne!(one, other, "{bit}");
            low.insert(other & 0xffff);
            high.insert(other >> 48);
        }
        assert!(low.len() > 140 && high.len() > 140, "{} {}", low.len(), high.len());
    }
}
