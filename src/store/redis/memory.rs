//! Room in a server's memory: where it has a limit, no execution begins unless its outcome, and those of
//! all that this gateway runs, can be written.
//!
//! The server is asked twice a second what it uses, and what this gateway writes meanwhile is added. For
//! each execution twice the largest response is kept free, because the server holds a command and what it
//! stores of it at once, and a sixteenth of the limit on top, for everything small and for what other
//! gateways write between two looks. Each gateway keeps room for its own executions only.
//!
//! A server that does not tell its limit, as some that others run do not, has none here.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::protocol::RecordId;

/// The part of the limit that is kept free for what is no outcome.
const SPARE: u64 = 16;
/// How many outcomes more must fit before claims are taken again.
const MARGIN: u64 = 1;
/// What a record and its entries take beside its response.
const RECORD: u64 = 4 * 1024;

/// The executions that began in this process and have no outcome yet.
pub(super) struct Outcomes {
    /// What one of them may have to write, in bytes.
    size: u64,
    running: Mutex<HashSet<RecordId>>,
}

impl Outcomes {
    /// For responses of up to `largest` bytes.
    pub(super) fn of(largest: u64) -> Self {
        Self { size: 2 * largest.min(u64::MAX / 4).saturating_add(RECORD), running: Mutex::default() }
    }

    /// Takes note of an execution that began.
    pub(super) fn begin(&self, id: RecordId) {
        self.running().insert(id);
    }

    /// Takes note of an execution whose outcome is written, or is no longer this gateway's to write.
    pub(super) fn end(&self, id: RecordId) {
        self.running().remove(&id);
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, id: RecordId) -> bool {
        self.running().contains(&id)
    }

    fn running(&self) -> MutexGuard<'_, HashSet<RecordId>> {
        // Only whole changes are made under this lock.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory of one server as it was last heard, with what was written since.
#[derive(Default)]
pub(super) struct Memory {
    used: AtomicU64,
    /// The server's limit; zero for none.
    most: AtomicU64,
    full: AtomicBool,
}

impl Memory {
    /// Takes note of what a server says.
    pub(super) fn heard(&self, used: u64, most: u64, outcomes: &Outcomes) {
        self.used.store(used, Relaxed);
        self.most.store(most, Relaxed);
        if self.is_full() {
            self.has_room(outcomes);
        }
    }

    /// Adds what this gateway has just written.
    pub(super) fn wrote(&self, bytes: usize) {
        self.used.fetch_add(bytes as u64 + bytes as u64 / 4, Relaxed);
    }

    /// Whether there is a limit, so that executions have to be counted.
    pub(super) fn is_limited(&self) -> bool {
        self.most.load(Relaxed) > 0
    }

    /// Whether claims were refused when it was last asked.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }

    /// Whether one more execution may begin.
    pub(super) fn has_room(&self, outcomes: &Outcomes) -> bool {
        let (used, most) = (self.used.load(Relaxed), self.most.load(Relaxed));
        let free = (most - most / SPARE).saturating_sub(used);
        let more = if self.is_full() { 1 + MARGIN } else { 1 };
        let fits = most == 0 || free / outcomes.size >= outcomes.running().len() as u64 + more;
        self.full.store(!fits, Relaxed);
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_for_what_runs_and_more_is_asked_for_once_it_was_short() {
        let id = |byte| RecordId::from_bytes(&[byte; 20]).expect("twenty bytes");
        let (memory, outcomes) = (Memory::default(), Outcomes::of(1000));
        let size = outcomes.size;
        assert!(memory.has_room(&outcomes) && !memory.is_limited(), "no limit");
        memory.heard(0, 16 * size, &outcomes);
        for byte in 0..15 {
            assert!(memory.has_room(&outcomes), "{byte}");
            outcomes.begin(id(byte));
        }
        assert!(!memory.has_room(&outcomes) && memory.is_full());
        outcomes.end(id(0));
        assert!(!memory.has_room(&outcomes), "not for one alone");
        outcomes.end(id(1));
        assert!(memory.has_room(&outcomes) && !memory.is_full());
        memory.wrote(usize::try_from(2 * size).expect("small"));
        assert!(!memory.has_room(&outcomes), "what was written counts");
    }
}
