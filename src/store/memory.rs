//! `memory:`: a store in one map, for tests and demonstrations. No record survives the process, and
//! [`Durability`] says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, pending, ready};
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::{Clock, SteadyClock, Timestamp};
use crate::protocol::{Notice, Record, RecordId, Revision, State, StoredResponse};

use super::{
    Change, Claimed, Document, DocumentName, Due, Durability, Filter, Found, PAGE_SCAN, Page, Pending,
    Position, Replaced, Snapshot, Store, Swap, Tally, UnknownFilter, UnknownPage, Written,
};

pub use self::settings::Settings;

mod settings;

/// Number of notices that are kept. Nothing takes them, so older ones are dropped.
pub const MOST_NOTICES: usize = 1024;

/// A store in memory. Its clock is a parameter.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    // Every change of the tables is complete before anything in it can panic.
    tables: Mutex<Tables>,
}

/// A notice, as the step that caused it stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredNotice {
    /// Id of the record that the step was about.
    pub id: RecordId,
    /// The notice.
    pub notice: Notice,
    /// The store's clock at the step.
    pub at: Timestamp,
}

#[derive(Default)]
struct Tables {
    records: BTreeMap<RecordId, Record>,
    responses: BTreeMap<RecordId, StoredResponse>,
    deadlines: BTreeSet<(Timestamp, RecordId)>,
    /// Route of each record with an unknown outcome.
    unknown: BTreeMap<Position, Arc<str>>,
    /// The latest notices, the oldest first.
    notices: VecDeque<StoredNotice>,
    documents: BTreeMap<DocumentName, Bytes>,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default() }
    }

    /// Returns the latest notices, up to [`MOST_NOTICES`] of them, the oldest first.
    #[must_use]
    pub fn notices(&self) -> Vec<StoredNotice> {
        self.tables.lock().notices.iter().cloned().collect()
    }
}

impl Default for MemoryStore {
    /// Creates an empty store with a clock that begins with the store.
    fn default() -> Self {
        Self::new(Arc::new(SteadyClock::starting(Timestamp::default())))
    }
}

impl Tables {
    fn snapshot(&self, id: RecordId, now: Timestamp) -> Snapshot {
        let (record, response) = (self.records.get(&id), self.responses.get(&id));
        Snapshot { record: record.cloned(), response: response.cloned(), now }
    }

    fn put(&mut self, id: RecordId, record: Record, response: Option<StoredResponse>) {
        self.remove_entries(id);
        self.deadlines.insert((record.deadline(), id));
        if let Some(position) = Position::of(id, &record) {
            self.unknown.insert(position, Arc::clone(&record.route));
        }
        match (record.state, response) {
            (State::Completed { .. }, None) => {}
            (State::Completed { .. }, Some(response)) => {
                self.responses.insert(id, response.detached());
            }
            _ => {
                self.responses.remove(&id);
            }
        }
        self.records.insert(id, record);
    }

    fn remove(&mut self, id: RecordId) {
        self.remove_entries(id);
        self.records.remove(&id);
        self.responses.remove(&id);
    }

    /// Stores a notice, in the step that changed the record.
    fn tell(&mut self, id: RecordId, notice: Option<Notice>, at: Timestamp) {
        let Some(notice) = notice else { return };
        if self.notices.len() >= MOST_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(StoredNotice { id, notice, at });
    }

    fn remove_entries(&mut self, id: RecordId) {
        if let Some(old) = self.records.get(&id) {
            self.deadlines.remove(&(old.deadline(), id));
            Position::of(id, old).and_then(|position| self.unknown.remove(&position));
        }
    }
}

impl Store for MemoryStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        let mut tables = self.tables.lock();
        let now = self.clock.now();
        let claimed = match tables.snapshot(id, now) {
            Snapshot { record: Some(record), response, now } => {
                Claimed::Found(Found { record, response, now })
            }
            Snapshot { record: None, .. } => {
                let first = Record { created_at: now, updated_at: now, ..first };
                tables.put(id, first.clone(), None);
                Claimed::Won(first)
            }
        };
        Box::pin(ready(Ok(claimed)))
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        let mut tables = self.tables.lock();
        let now = self.clock.now();
        let matches = tables.records.get(&id).is_some_and(|record| record.revision == expected);
        let swap = match change {
            _ if !matches => Swap::Conflict(tables.snapshot(id, now)),
            Change::Write(Written { record, response, notice }) => {
                let record = Record { updated_at: now, ..record };
                tables.put(id, record.clone(), response);
                tables.tell(id, notice, now);
                Swap::Stored(Some(record))
            }
            Change::Remove(notice) => {
                tables.remove(id);
                tables.tell(id, notice, now);
                Swap::Stored(None)
            }
        };
        Box::pin(ready(Ok(swap)))
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        Box::pin(ready(Ok(self.tables.lock().snapshot(id, self.clock.now()))))
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        let tables = self.tables.lock();
        let from = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = Page { now: self.clock.now(), ..Page::default() };
        for (seen, (id, record)) in tables.records.range((from, Bound::Unbounded)).enumerate() {
            if filter.fits(record) {
                page.records.push((*id, record.clone()));
            }
            if page.records.len() >= limit || seen + 1 >= PAGE_SCAN {
                page.next = Some(*id);
                break;
            }
        }
        Box::pin(ready(Ok(page)))
    }

    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage> {
        let tables = self.tables.lock();
        let from = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = UnknownPage { now: self.clock.now(), ..UnknownPage::default() };
        let listed = tables.unknown.range((from, Bound::Unbounded));
        for (seen, (position, _)) in listed.enumerate() {
            let fitting = tables.records.get(&position.id).filter(|record| filter.fits(record));
            page.records.extend(fitting.map(|record| (position.id, record.clone())));
            if page.records.len() >= limit || seen + 1 >= PAGE_SCAN {
                page.next = Some(*position);
                break;
            }
        }
        Box::pin(ready(Ok(page)))
    }

    fn tally(&self) -> Pending<'_, Tally> {
        let tables = self.tables.lock();
        let mut tally = Tally { now: self.clock.now(), ..Tally::default() };
        for (position, route) in &tables.unknown {
            tally.add(route, 1, position.since);
        }
        Box::pin(ready(Ok(tally)))
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        let (tables, now) = (self.tables.lock(), self.clock.now());
        let (mut records, mut quiet_for) = (Vec::new(), Duration::MAX);
        for (deadline, id) in &tables.deadlines {
            if *deadline > now || records.len() >= limit {
                quiet_for = deadline.since(now);
                break;
            }
            records.extend(tables.records.get(id).map(|record| (*id, record.clone())));
        }
        Box::pin(ready(Ok(Due { records, now, quiet_for })))
    }

    fn document(&self, name: DocumentName) -> Pending<'_, Document> {
        let bytes = self.tables.lock().documents.get(&name).cloned();
        Box::pin(ready(Ok(Document { bytes, now: self.clock.now() })))
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced> {
        let mut tables = self.tables.lock();
        let replaced = Replaced::where_equal(tables.documents.get(&name) == expected.as_ref());
        if replaced == Replaced::Stored {
            tables.documents.insert(name, document);
        }
        Box::pin(ready(Ok(replaced)))
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(pending())
    }

    fn durability(&self) -> Durability {
        Durability::None
    }
}
