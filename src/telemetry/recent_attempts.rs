//! The number of later attempts of each operation, as far as this process remembers it.
//!
//! Nothing depends on this number. It tells an operator how often clients have come back. It is kept in memory
//! only, because a write to the store for each attempt would cost more than the number is worth.

use std::collections::HashMap;
use std::fmt;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::protocol::RecordId;

/// Number of operations in one generation of a shard. A shard has two.
const GENERATION: usize = 4096;

/// Counters of the operations with the most recent later attempts: the last 65,536 at least.
#[derive(Default)]
pub struct RecentAttempts([Mutex<Shard>; 16]);

/// A part of the counters. When the newer generation is full, it takes the place of the older one.
#[derive(Default)]
struct Shard {
    newer: HashMap<RecordId, u32, RandomState>,
    older: HashMap<RecordId, u32, RandomState>,
}

impl RecentAttempts {
    /// Counts a later attempt of the operation.
    pub fn count(&self, id: RecordId) {
        let mut shard = self.shard(id).lock();
        if let Some(count) = shard.newer.get_mut(&id) {
            *count = count.saturating_add(1);
            return;
        }
        let count = shard.older.remove(&id).unwrap_or(0).saturating_add(1);
        if shard.newer.len() >= GENERATION {
            shard.older = std::mem::take(&mut shard.newer);
        }
        shard.newer.insert(id, count);
    }

    /// Returns the number of later attempts of the operation that were counted.
    #[must_use]
    pub fn of(&self, id: RecordId) -> u32 {
        let shard = self.shard(id).lock();
        shard.newer.get(&id).or_else(|| shard.older.get(&id)).copied().unwrap_or(0)
    }

    fn shard(&self, id: RecordId) -> &Mutex<Shard> {
        let [first, ..] = *id.as_bytes();
        &self.0[usize::from(first) % self.0.len()]
    }
}

impl fmt::Debug for RecentAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentAttempts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> RecordId {
        let mut bytes = [0; 20];
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        RecordId::from_bytes(&bytes).expect("20 bytes")
    }

    #[test]
    fn an_operation_that_comes_back_is_not_forgotten_and_the_number_of_operations_is_bounded() {
        let recent = RecentAttempts::default();
        recent.count(id(0));
        for number in 1..20_000 {
            recent.count(id(number));
            if number % 2_000 == 0 {
                recent.count(id(0));
            }
        }
        assert_eq!((recent.of(id(0)), recent.of(id(19_999)), recent.of(id(1))), (10, 1, 0));
        let shard = recent.shard(id(0)).lock();
        assert!(shard.newer.len() + shard.older.len() <= 2 * GENERATION);
    }
}
