//! Room on the disk: no execution begins unless its outcome, and the outcomes of all running executions, can
//! be written.
//!
//! One more execution needs this much free space:
//!
//! * twice the largest outcome for each running execution and for itself: once in the journal, once in a
//!   table;
//! * the data that the engine has yet to write from memory to tables;
//! * the space that the engine needs while it writes tables anew to drop deleted data: as much as the tables
//!   take, 1 GiB at most;
//! * [`SPARE`] for everything small: renewals, lapses, the ends of retention.
//!
//! After claims were refused, [`MARGIN`] further outcomes must be free before a claim is taken again.
//! Everything else is written as long as the disk takes it. The store therefore recovers by itself when other
//! programs free space, or when retention ends and the engine has rewritten its tables. The engine gives its
//! journals back only once they have reached 64 MB: a file system that is not much larger than that frees
//! nothing before.
//!
//! Writes of other programs to the same file system between a claim and its outcome are not foreseen. A quota
//! that the file system does not count as the end of its space is not foreseen either.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fjall::AbstractTree;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use rustix::fs::statvfs;

use crate::protocol::RecordId;

use super::tables::{Table, Tables};

const MIB: u64 = 1024 * 1024;

/// Space that is kept free for writes that are not outcomes, in bytes.
const SPARE: u64 = 2 * MIB;
/// Largest amount that the engine writes before it drops what it replaces, in bytes.
const MOST_REWRITTEN: u64 = 1024 * MIB;
/// Number of further outcomes that must fit before claims are taken again.
const MARGIN: u64 = 2;
/// Time for which the size of the tables is believed.
const TABLES_AGE: Duration = Duration::from_secs(1);
/// Size of a record and its entries without the response, in bytes.
const RECORD: u64 = 8 * 1024;

/// Size of the largest response if none is configured: the default limits of a body and of a head.
const DEFAULT_LARGEST: u64 = MIB + 256 * 1024;

/// The space on the disk, and the part of it that is promised to executions.
pub(super) struct Room {
    /// A directory on the file system.
    data: PathBuf,
    /// Size of the largest outcome of an execution, in bytes.
    outcome: AtomicU64,
    full: AtomicBool,
    // Only whole changes are made under this lock.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The executions that began in this process and have no outcome yet.
    running: HashSet<RecordId, RandomState>,
    /// The size of all tables, and the moment at which it was measured.
    tables: Option<(u64, Instant)>,
}

/// Free space beside what the engine needs, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Free(u64);

impl Room {
    /// Creates the account of room on the file system of `data`.
    pub(super) fn new(data: PathBuf) -> Self {
        let outcome = AtomicU64::new(outcome(DEFAULT_LARGEST));
        Self { data, outcome, full: AtomicBool::default(), state: Mutex::default() }
    }

    /// Keeps room for outcomes with responses of up to `largest` bytes.
    pub(super) fn keep_for(&self, largest: u64) {
        self.outcome.store(outcome(largest), Ordering::Relaxed);
    }

    /// Keeps room for outcomes with responses of up to `largest` bytes, if that is more than before.
    pub(super) fn keep_for_more(&self, largest: u64) {
        self.outcome.fetch_max(outcome(largest), Ordering::Relaxed);
    }

    /// Tells whether claims are refused now.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Measures the free space. A file system that does not report it is never full.
    pub(super) fn free(&self, tables: &Tables) -> Free {
        let available = match statvfs(&self.data) {
            Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
            Err(_) => u64::MAX,
        };
        let rewritten = self.size_of(tables).min(MOST_REWRITTEN);
        Free(available.saturating_sub(in_memory(tables)).saturating_sub(rewritten).saturating_sub(SPARE))
    }

    /// Sets room aside for an execution that begins.
    ///
    /// # Errors
    /// A text for the operator if there is no room.
    pub(super) fn begin(&self, id: RecordId, free: Free) -> Result<(), String> {
        let mut state = self.state.lock();
        let fits = self.fits(&state, free);
        self.full.store(!fits, Ordering::Relaxed);
        if !fits {
            return Err(format!(
                "the file system of {} has room only for the outcomes of running executions",
                self.data.display()
            ));
        }
        state.running.insert(id);
        Ok(())
    }

    /// Gives back the room of executions that have an outcome.
    pub(super) fn end(&self, ended: impl IntoIterator<Item = RecordId>) {
        let mut state = self.state.lock();
        for id in ended {
            state.running.remove(&id);
        }
    }

    /// Checks whether refused claims can be taken again.
    pub(super) fn measure(&self, tables: &Tables) {
        if self.is_full() {
            let free = self.free(tables);
            let fits = self.fits(&self.state.lock(), free);
            self.full.store(!fits, Ordering::Relaxed);
        }
    }

    fn fits(&self, state: &State, Free(free): Free) -> bool {
        let more = if self.is_full() { 1 + MARGIN } else { 1 };
        free / self.outcome.load(Ordering::Relaxed) >= state.running.len() as u64 + more
    }

    fn size_of(&self, tables: &Tables) -> u64 {
        let mut state = self.state.lock();
        match state.tables {
            Some((size, asked)) if asked.elapsed() < TABLES_AGE => size,
            _ => {
                let size = Table::ALL.into_iter().map(|table| tables.keyspace(table).disk_space()).sum();
                state.tables = Some((size, Instant::now()));
                size
            }
        }
    }
}

/// Returns the space that the outcome of an execution may need, with a response of up to `largest` bytes.
fn outcome(largest: u64) -> u64 {
    2 * largest.saturating_add(RECORD).min(u64::MAX / 4)
}

/// Returns the amount of data in the engine's memory that has yet to go to tables, in bytes.
fn in_memory(tables: &Tables) -> u64 {
    let of = |table: Table| {
        let keyspace = tables.keyspace(table);
        let waiting = keyspace.tree.sealed_memtable_count() as u64 * table.buffer();
        keyspace.tree.active_memtable().size() + waiting
    };
    Table::ALL.into_iter().map(of).sum()
}
