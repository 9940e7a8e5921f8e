//! Room on the disk: no execution begins unless its outcome, and those of all that run already, can be
//! written down.
//!
//! What has to be free for one more execution:
//!
//! * twice the largest outcome for each that runs, itself included: once in the journal, once in a table;
//! * what the engine has yet to write from memory to tables;
//! * what it needs while it writes tables anew to drop what is deleted: as much as they take, 1 GiB at most;
//! * [`SPARE`] for everything small: renewals, lapses, the ends of retention.
//!
//! Once claims were refused, [`MARGIN`] further outcomes must be free before one is taken again. Everything
//! else is written as long as the disk takes it, so the store recovers by itself when others free space, or
//! when retention ends and the engine has rewritten its tables. Its journals are given back only once they
//! have reached 64 MB: a file system that is not much larger than that frees nothing before.
//!
//! What others write to the same file system between a claim and its outcome is not foreseen. Neither is
//! a quota that the file system does not count as the end of its space.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fjall::AbstractTree;
use rustix::fs::statvfs;

use crate::protocol::RecordId;

use super::tables::{Table, Tables};

const MIB: u64 = 1024 * 1024;

/// What is kept free for writes that are not outcomes.
const SPARE: u64 = 2 * MIB;
/// The most that the engine writes before it drops what it replaces.
const MOST_REWRITTEN: u64 = 1024 * MIB;
/// How many outcomes more must fit before claims are taken again.
const MARGIN: u64 = 2;
/// How long the size of the tables is believed.
const TABLES_AGE: Duration = Duration::from_secs(1);
/// What a record and its entries take beside its response.
const RECORD: u64 = 8 * 1024;

/// The largest response where no other one is named: the default limits of a body and of a head.
const DEFAULT_LARGEST: u64 = MIB + 256 * 1024;

/// How much there is, and what is promised of it.
pub(super) struct Room {
    /// A directory on the file system.
    data: PathBuf,
    /// What one execution may have to write, in bytes.
    outcome: AtomicU64,
    full: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The executions that began in this process and have no outcome yet.
    running: HashSet<RecordId>,
    /// The size of all tables, and when it was asked.
    tables: Option<(u64, Instant)>,
}

/// What is free beside what the engine needs, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Free(u64);

impl Room {
    /// Room on the file system of `data`.
    pub(super) fn new(data: PathBuf) -> Self {
        let outcome = AtomicU64::new(outcome(DEFAULT_LARGEST));
        Self { data, outcome, full: AtomicBool::default(), state: Mutex::default() }
    }

    /// Keeps it for outcomes whose responses have up to `largest` bytes.
    pub(super) fn keep_for(&self, largest: u64) {
        self.outcome.store(outcome(largest), Ordering::Relaxed);
    }

    /// Whether claims are refused now.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// What is free now. A file system that does not say is never full.
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
    /// There is none.
    pub(super) fn begin(&self, id: RecordId, free: Free) -> Result<(), String> {
        let mut state = self.state();
        let fits = self.fits(&state, free);
        self.full.store(!fits, Ordering::Relaxed);
        if !fits {
            return Err(format!(
                "the file system of {} has room only for the outcomes of what runs already",
                self.data.display()
            ));
        }
        state.running.insert(id);
        Ok(())
    }

    /// Takes note of executions that have an outcome.
    pub(super) fn end(&self, ended: &[RecordId]) {
        let mut state = self.state();
        for id in ended {
            state.running.remove(id);
        }
    }

    /// Looks whether claims that are refused can be taken again.
    pub(super) fn look_again(&self, tables: &Tables) {
        if self.is_full() {
            let free = self.free(tables);
            let fits = self.fits(&self.state(), free);
            self.full.store(!fits, Ordering::Relaxed);
        }
    }

    fn fits(&self, state: &State, Free(free): Free) -> bool {
        let more = if self.is_full() { 1 + MARGIN } else { 1 };
        free / self.outcome.load(Ordering::Relaxed) >= state.running.len() as u64 + more
    }

    fn size_of(&self, tables: &Tables) -> u64 {
        let mut state = self.state();
        match state.tables {
            Some((size, asked)) if asked.elapsed() < TABLES_AGE => size,
            _ => {
                let size = Table::ALL.into_iter().map(|table| tables.keyspace(table).disk_space()).sum();
                state.tables = Some((size, Instant::now()));
                size
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only whole changes are made under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an execution may have to write whose response has up to `largest` bytes.
fn outcome(largest: u64) -> u64 {
    2 * largest.saturating_add(RECORD).min(u64::MAX / 4)
}

/// What lies in the engine's memory and has to go to tables, in bytes.
fn in_memory(tables: &Tables) -> u64 {
    let of = |table: Table| {
        let keyspace = tables.keyspace(table);
        let waiting = keyspace.tree.sealed_memtable_count() as u64 * table.buffer();
        keyspace.tree.active_memtable().size() + waiting
    };
    Table::ALL.into_iter().map(of).sum()
}
