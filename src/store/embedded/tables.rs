//! The tables, their keys, and all code that reads them.
//!
//! Every read uses one snapshot of the engine, so a record is never seen with the response of another
//! revision.

use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable};

use crate::clock::{Clock, Timestamp};
use crate::descriptors;
use crate::protocol::{Record, RecordId, State, StoredResponse};
use crate::store::{
    Cause, ClockLimits, Document, DocumentName, Filter, PAGE_SCAN, Page, Snapshot, StoreError, clock_note,
    codec,
};

use super::clock::StoreClock;
use super::errors::describe;
use super::mark::Mark;

const MIB: u64 = 1024 * 1024;

/// The key of the newest stamp in [`Table::Meta`].
pub(super) const CLOCK: &[u8] = b"clock";

/// Returns the key of a document of [`crate::store::Store::document`] in [`Table::Meta`].
pub(super) fn key_of(name: DocumentName) -> Vec<u8> {
    match name {
        // The name itself is the key of the newest stamp.
        DocumentName::Clock => b"clock-note".to_vec(),
        name => name.text().into_owned().into_bytes(),
    }
}

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// id → record.
    Records,
    /// id → response of a completed record.
    Responses,
    /// deadline, id → nothing; one for each record.
    Deadlines,
    /// id → nothing; one for each record in the state `unknown`.
    Unknown,
    /// time of the last write, id → route; one for each record in the state `unknown`, except those that an
    /// earlier release wrote (`unknown`).
    UnknownSince,
    /// [`CLOCK`] → the newest stamp, [`mark::KEY`] → the mark; the documents under [`key_of`].
    ///
    /// [`mark::KEY`]: super::mark::KEY
    Meta,
}

impl Table {
    /// The tables in their order.
    pub(super) const ALL: [Self; 6] =
        [Self::Records, Self::Responses, Self::Deadlines, Self::Unknown, Self::UnknownSince, Self::Meta];

    /// Returns the number of bytes of this table that stay in memory before they are written to the disk.
    pub(super) fn buffer(self) -> u64 {
        match self {
            Self::Records => 8 * MIB,
            Self::Responses => 16 * MIB,
            Self::Deadlines => 4 * MIB,
            Self::Unknown | Self::UnknownSince | Self::Meta => MIB,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Responses => "responses",
            Self::Deadlines => "deadlines",
            Self::Unknown => "unknown",
            Self::UnknownSince => "unknown-since",
            Self::Meta => "meta",
        }
    }
}

/// The open engine, and the clock that stamps writes to it.
pub(super) struct Tables {
    pub(super) database: Database,
    pub(super) clock: StoreClock,
    /// The mark that each batch begins with.
    pub(super) mark: Mark,
    records: Keyspace,
    responses: Keyspace,
    deadlines: Keyspace,
    unknown: Keyspace,
    unknown_since: Keyspace,
    meta: Keyspace,
}

impl Tables {
    /// Opens or creates the tables in `data`. Batches are written to them with `mark`.
    pub(super) fn open(data: &Path, mark: Mark, limits: Option<ClockLimits>) -> fjall::Result<Self> {
        // Two workers: one flushes while the other compacts. The journals are kept small because
        // all of them are read at the next start.
        let database = Database::builder(data)
            .cache_size(32 * MIB)
            .worker_threads(2)
            .max_cached_files(Some(descriptors::of_store(descriptors::most())))
            .max_journaling_size(128 * MIB)
            .manual_journal_persist(true)
            .open()?;
        let table = |table: Table| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(table.buffer());
            database.keyspace(table.name(), options)
        };
        let meta = table(Table::Meta)?;
        let newest = meta.get(CLOCK)?.and_then(|stamp| Some(u64::from_be_bytes((*stamp).try_into().ok()?)));
        let records = table(Table::Records)?;
        let limits = if records.is_empty()? { None } else { limits };
        let noted = meta.get(key_of(DocumentName::Clock))?.and_then(|note| clock_note::at_least(&note));
        Ok(Self {
            clock: StoreClock::starting(newest.map(Timestamp), noted, limits),
            mark,
            records,
            responses: table(Table::Responses)?,
            deadlines: table(Table::Deadlines)?,
            unknown: table(Table::Unknown)?,
            unknown_since: table(Table::UnknownSince)?,
            meta,
            database,
        })
    }

    /// Returns the engine's handle of `table`.
    pub(super) fn keyspace(&self, table: Table) -> &Keyspace {
        match table {
            Table::Records => &self.records,
            Table::Responses => &self.responses,
            Table::Deadlines => &self.deadlines,
            Table::Unknown => &self.unknown,
            Table::UnknownSince => &self.unknown_since,
            Table::Meta => &self.meta,
        }
    }

    /// Reads the record under `id`, with its response.
    pub(super) fn read(&self, id: RecordId) -> Result<Snapshot, StoreError> {
        let view = self.database.snapshot();
        let record = self.record(&view, id)?;
        let response = match &record {
            Some(record) => self.response(&view, id, record)?,
            None => None,
        };
        // The time is read after the snapshot, so that no stamp in the snapshot lies ahead of it.
        Ok(Snapshot { record, response, now: self.clock.now() })
    }

    /// Implements [`crate::store::Store::document`].
    pub(super) fn document(&self, name: DocumentName) -> Result<Document, StoreError> {
        let bytes = self.document_in(&self.database.snapshot(), name)?;
        Ok(Document { bytes, now: self.clock.now() })
    }

    /// Reads a document in `view`.
    pub(super) fn document_in(
        &self,
        view: &impl Readable,
        name: DocumentName,
    ) -> Result<Option<Bytes>, StoreError> {
        let bytes = view.get(&self.meta, key_of(name)).map_err(failed)?;
        Ok(bytes.map(|bytes| Bytes::copy_from_slice(&bytes)))
    }

    /// Reads the record under `id` in `view`.
    pub(super) fn record(&self, view: &impl Readable, id: RecordId) -> Result<Option<Record>, StoreError> {
        let bytes = view.get(&self.records, id.as_bytes()).map_err(failed)?;
        let record = bytes.map(|bytes| codec::decode_record(&bytes)).transpose();
        record.map_err(|cause| StoreError::Unreadable { id, cause: Cause::of(cause.to_string(), cause) })
    }

    /// Reads the stored response of `record` in `view`.
    pub(super) fn response(
        &self,
        view: &impl Readable,
        id: RecordId,
        record: &Record,
    ) -> Result<Option<StoredResponse>, StoreError> {
        if !matches!(record.state, State::Completed { response, .. } if response.retained) {
            return Ok(None);
        }
        let bytes = view.get(&self.responses, id.as_bytes()).map_err(failed)?;
        let response = bytes.map(|bytes| codec::decode_response(&bytes)).transpose();
        response.map_err(|cause| StoreError::Unreadable {
            id,
            cause: Cause::of(format!("its response: {cause}"), cause),
        })
    }

    /// Reads a part of the list. Blocks on the disk for up to [`PAGE_SCAN`] records.
    pub(super) fn page(&self, filter: &Filter, limit: usize) -> Result<Page, StoreError> {
        let view = self.database.snapshot();
        // Unknown outcomes are few and often asked for, so they have an index of their own.
        let listed = if filter.state == Some("unknown") { &self.unknown } else { &self.records };
        let from = filter.after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after.as_bytes()));
        let mut page = Page::default();
        for (seen, entry) in view.range(listed, (from, Bound::Unbounded)).enumerate() {
            let key = entry.key().map_err(failed)?;
            let Some(id) = RecordId::from_bytes(&key) else {
                tracing::error!(length = key.len(), "a stored key is not a record id");
                continue;
            };
            match self.record(&view, id) {
                Ok(Some(record)) if filter.fits(&record) => page.records.push((id, record)),
                Ok(_) => {}
                Err(StoreError::Unreadable { id, cause }) => report_unreadable(id, &cause),
                Err(error) => return Err(error),
            }
            if page.records.len() >= limit || seen + 1 >= PAGE_SCAN {
                page.next = Some(id);
                break;
            }
        }
        page.now = self.clock.now();
        Ok(page)
    }
}

/// Logs that a scan had to leave out a record.
pub(super) fn report_unreadable(id: RecordId, cause: &str) {
    tracing::error!(record = %id, cause, "a stored record cannot be decoded; it is left as it is");
}

/// Returns the error for a failed read of the engine: nothing was written.
pub(super) fn failed(error: fjall::Error) -> StoreError {
    StoreError::Unavailable(Cause::of(format!("reading failed: {}", describe(&error)), error))
}
