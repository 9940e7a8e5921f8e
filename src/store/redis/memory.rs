//! Room in a server's memory: where the server has a limit, an execution begins only if its outcome, and the
//! outcomes of all executions that this gateway runs, can be written.
//!
//! The gateway asks the server twice a second how much memory it uses, and adds its own writes since then.
//! For each execution, twice the largest response is kept free, because the server holds a command and the
//! stored copy at the same time. A sixteenth of the limit is kept free on top, for everything small and for
//! writes of other gateways between two questions. Each gateway keeps room for its own executions only.
//!
//! A server that does not report its limit, as some managed servers do not, counts as one without a limit.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::protocol::RecordId;

/// Divisor of the limit: this part of it is kept free for writes that are not outcomes.
const SPARE: u64 = 16;
/// Number of further outcomes that must fit before claims are taken again.
const MARGIN: u64 = 1;
/// Size of a record and its index entries without the response, in bytes.
const RECORD: u64 = 4 * 1024;

/// The executions that began in this process and have no outcome yet.
pub(super) struct Outcomes {
    /// Size of the largest outcome, in bytes.
    size: AtomicU64,
    // Only whole changes are made under this lock.
    running: Mutex<HashSet<RecordId>>,
}

impl Outcomes {
    /// Creates the set, for responses of up to `largest` bytes.
    pub(super) fn of(largest: u64) -> Self {
        Self { size: AtomicU64::new(outcome(largest)), running: Mutex::default() }
    }

    /// Counts with responses of up to `largest` bytes, if that is more than before.
    pub(super) fn grow(&self, largest: u64) {
        self.size.fetch_max(outcome(largest), Relaxed);
    }

    /// Adds an execution that began.
    pub(super) fn begin(&self, id: RecordId) {
        self.running.lock().insert(id);
    }

    /// Removes an execution with an outcome that is written or is no longer this gateway's to write.
    pub(super) fn end(&self, id: RecordId) {
        self.running.lock().remove(&id);
    }

    /// Tells whether the execution of `id` is one of them.
    pub(super) fn has(&self, id: RecordId) -> bool {
        self.running.lock().contains(&id)
    }
}

/// Returns the space that the outcome of an execution may need, with a response of up to `largest` bytes.
fn outcome(largest: u64) -> u64 {
    2 * largest.min(u64::MAX / 4).saturating_add(RECORD)
}

/// The memory of one server as last reported, with the bytes written since.
#[derive(Default)]
pub(super) struct Memory {
    used: AtomicU64,
    /// The server's limit in bytes; zero for none.
    most: AtomicU64,
    full: AtomicBool,
}

impl Memory {
    /// Notes the used memory and the limit that a server reports.
    pub(super) fn heard(&self, used: u64, most: u64, outcomes: &Outcomes) {
        self.used.store(used, Relaxed);
        self.most.store(most, Relaxed);
        if self.is_full() {
            self.has_room(outcomes);
        }
    }

    /// Adds bytes that this gateway has just written.
    pub(super) fn wrote(&self, bytes: usize) {
        self.used.fetch_add(bytes as u64 + bytes as u64 / 4, Relaxed);
    }

    /// Tells whether there is a limit, so that executions have to be counted.
    pub(super) fn is_limited(&self) -> bool {
        self.most.load(Relaxed) > 0
    }

    /// Tells whether claims were refused at the last check.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }

    /// Tells whether one more execution may begin.
    pub(super) fn has_room(&self, outcomes: &Outcomes) -> bool {
        let (used, most) = (self.used.load(Relaxed), self.most.load(Relaxed));
        let free = (most - most / SPARE).saturating_sub(used);
        let more = if self.is_full() { 1 + MARGIN } else { 1 };
        let fits =
            most == 0 || free / outcomes.size.load(Relaxed) >= outcomes.running.lock().len() as u64 + more;
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
        let size = outcomes.size.load(Relaxed);
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
