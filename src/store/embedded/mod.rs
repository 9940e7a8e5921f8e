//! `embedded:DIR`: the default store, for one gateway. There is no server to run, and every write is synced
//! to the disk before it is acknowledged.
//!
//! Contract:
//!
//! * Every acknowledged write survives a crash of the process and a loss of power. Readers see only what was
//!   synced.
//! * One process at a time: [`EmbeddedStore::open`] locks the directory.
//! * After a write or sync that failed, the store is broken for good. That batch is [`StoreError::Unclear`],
//!   every later write is [`StoreError::Unavailable`], reads go on, and [`Store::broken`] resolves.
//! * No execution begins unless the disk has room for its outcome and for the outcomes of all running
//!   executions (`room`).
//! * Only the store's own user can read its files (`modes`).
//! * A record that cannot be decoded is an error for each read of it, and is never removed or overwritten. A
//!   journal that is damaged before its end is refused at open.
//! * Time never goes back behind a stamp that was written. After an orderly end, it does not go back behind
//!   that end either. If the machine's clock is too far ahead of that at a start, time goes on from there
//!   until an operator accepts the machine's clock (`clock`).
//!
//! One thread writes (`writer`): it takes all queued commands as one batch with one sync. Reads go to the
//! engine directly and never queue. One claim with its completion writes the small record twice, its deadline
//! twice (and the removal of the first one), the response once, and the clock once for each batch. A renewal
//! writes the record and moves the deadline. Nothing else is written until retention ends.
//!
//! The writer keeps a copy of each running record that it wrote (`running`), so a completion reads nothing.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::protocol::{Record, RecordId, Revision};

use super::{
    Cause, Change, Claimed, ClockLimits, Document, DocumentName, Due, Durability, Filter, Found, Page,
    Pending, Replaced, Snapshot, Stopped, Store, StoreError, Swap, Tally, UnknownFilter, UnknownPage,
};

use self::directory::Directory;
use self::errors::describe;
use self::mark::Mark;
use self::room::Room;
use self::shared::Shared;
use self::tables::Tables;
use self::writer::{Command, Writer};

mod change;
mod check;
mod clock;
mod deadlines;
mod directory;
mod errors;
mod journal;
mod mark;
mod modes;
mod pending_batch;
mod room;
mod running;
mod settings;
mod shared;
mod tables;
mod unknown;
mod writer;

pub use self::check::DirectoryState;
pub use self::directory::OpenError;
pub use self::settings::Settings;

/// A store in a directory. Dropping the store waits for the writer and then unlocks the directory.
pub struct EmbeddedStore {
    // First, so that the thread has ended when the rest is dropped.
    writer: Writer,
    shared: Arc<Shared>,
}

impl EmbeddedStore {
    /// Opens the store in `dir`, and creates it if there is none.
    ///
    /// # Errors
    /// [`OpenError`] if another process has the store open, if `dir` is not a store or has a format that is
    /// not known here, if the store is damaged, or if the file system refuses.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_within(dir, None)
    }

    /// Opens the store as [`EmbeddedStore::open`] does, but stands still at the last stamp
    /// ([`Stopped::Clock`]) if there are records and the wall-clock time is further ahead of that stamp than
    /// `limits` allow.
    ///
    /// # Errors
    /// [`OpenError`], as for [`EmbeddedStore::open`].
    pub fn open_within(dir: &Path, limits: Option<ClockLimits>) -> Result<Self, OpenError> {
        let mut directory = Directory::lock(dir)?;
        let data = directory.data()?;
        let failed = |source| OpenError::Io { dir: dir.to_owned(), source };
        let mark = Mark::read(dir).map_err(failed)?;
        journal::mend(&data, mark.as_ref()).map_err(|cause| directory.damaged(cause))?;
        let known = match mark {
            Some(mark) => mark,
            None => Mark::random(journal::next_number(&data).map_err(failed)?),
        };
        let tables = open_tables(&data, known, limits);
        let tables = tables.map_err(|cause| directory.damaged(cause))?;
        let is_new = directory.finish()?;
        if mark.is_none() {
            begin_marking(&tables, dir).map_err(failed)?;
        }
        modes::tighten(dir, is_new);
        let room = Room::new(data);
        let shared = Arc::new(Shared::new(tables, room, directory));
        let writer = Writer::start(Arc::clone(&shared));
        let writer = writer.map_err(failed)?;
        Ok(Self { writer, shared })
    }

    /// Keeps room for responses of up to `largest` bytes, head and body.
    #[must_use]
    pub fn with_outcomes_of(self, largest: u64) -> Self {
        self.shared.room.keep_for(largest);
        self
    }

    /// Mends the index of unknown records by time, once in the life of this process: no other process
    /// writes to the store meanwhile.
    async fn mend(&self) -> Result<u64, StoreError> {
        if self.shared.mended.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let wrong = self.scan(|shared| unknown::wrong(&shared.tables)).await?;
        for some in wrong.chunks(unknown::MENDED_TOGETHER) {
            let positions = some.to_vec();
            self.writer.ask(|reply| Command::Relist { positions, reply }).await?;
        }
        self.shared.mended.store(true, Ordering::Relaxed);
        Ok(wrong.len() as u64)
    }

    /// Runs a scan on a thread that may block.
    async fn scan<T: Send + 'static>(
        &self,
        scan: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let scanned = tokio::task::spawn_blocking(move || scan(&shared)).await;
        scanned.unwrap_or_else(|error| Err(StoreError::Unavailable(Cause::of(error.to_string(), error))))
    }
}

/// Opens the tables, and turns a panic of the engine into an error. The engine asserts some of what it reads,
/// and stored bytes must not bring the process down.
fn open_tables(data: &Path, mark: Mark, limits: Option<ClockLimits>) -> Result<Tables, String> {
    match catch_unwind(AssertUnwindSafe(|| Tables::open(data, mark, limits))) {
        Ok(opened) => opened.map_err(|error| describe(&error)),
        Err(_) => Err("the engine panicked while it opened its files".into()),
    }
}

/// Writes a first batch with the mark, so that every later batch in the journal is known to have one.
fn begin_marking(tables: &Tables, dir: &Path) -> io::Result<()> {
    tables.mark.write(dir)?;
    pending_batch::commit_mark(tables).map_err(|error| io::Error::other(describe(&error)))
}

impl Store for EmbeddedStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        Box::pin(async move {
            // A replay is answered here and never queues.
            if let Snapshot { record: Some(record), response, now } = self.shared.tables.read(id)? {
                return Ok(Claimed::Found(Found { record, response, now }));
            }
            self.writer.ask(|reply| Command::Claim { id, first, reply }).await
        })
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        Box::pin(self.writer.ask(move |reply| Command::CompareAndSet { id, expected, change, reply }))
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        Box::pin(async move { self.shared.tables.read(id) })
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        Box::pin(self.scan(move |shared| shared.tables.page(&filter, limit)))
    }

    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage> {
        Box::pin(self.scan(move |shared| unknown::oldest(&shared.tables, &filter, limit)))
    }

    fn tally(&self) -> Pending<'_, Tally> {
        Box::pin(self.scan(|shared| unknown::tally(&shared.tables)))
    }

    fn mend_unknown(&self) -> Pending<'_, u64> {
        Box::pin(self.mend())
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        Box::pin(self.scan(move |shared| {
            // A gateway without requests must also find out that there is room again.
            shared.room.measure(&shared.tables);
            deadlines::due(&shared.tables, &shared.low, limit)
        }))
    }

    fn document(&self, name: DocumentName) -> Pending<'_, Document> {
        Box::pin(async move { self.shared.tables.document(name) })
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced> {
        Box::pin(self.writer.ask(move |reply| Command::ReplaceDocument { name, expected, document, reply }))
    }

    fn stopped(&self) -> Option<Stopped> {
        match () {
            () if self.shared.tables.clock.stands_behind() => Some(Stopped::Clock),
            () if self.shared.room.is_full() => Some(Stopped::Full),
            () => None,
        }
    }

    fn accept_clock(&self) {
        self.shared.tables.clock.accept();
    }

    fn keep_room_for(&self, largest: u64) {
        self.shared.room.keep_for_more(largest);
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(self.writer.ask(|reply| Command::Ready { reply }))
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(self.writer.broken())
    }

    fn durability(&self) -> Durability {
        Durability::Synced
    }
}
