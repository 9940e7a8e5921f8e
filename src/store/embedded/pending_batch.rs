//! A batch in the making: the decisions of its commands, each on top of the commands before it, and the
//! single write that results.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use fjall::{OwnedWriteBatch, PersistMode};
use foldhash::fast::RandomState;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, Revision, State, StoredResponse};
use crate::store::{
    Change, Claimed, DocumentName, Found, Position, Replaced, Snapshot, StoreError, Swap, Written,
};

use super::change::{Body, Changed};
use super::room::{Free, Room};
use super::running::{Running, is_running};
use super::tables::{CLOCK, Table, Tables, key_of};
use super::{mark, unknown};

/// A batch of commands that are decided and not yet written. No decision may leave the store before
/// [`PendingBatch::commit`].
pub(super) struct PendingBatch<'a> {
    tables: &'a Tables,
    running: &'a mut Running,
    /// The state before the batch. Only the batch that is pending writes, so it can be opened at any time.
    view: OnceCell<fjall::Snapshot>,
    now: Timestamp,
    /// Records as earlier commands of this batch left them.
    changed: HashMap<RecordId, Changed, RandomState>,
    /// All other writes, one for each key: the engine gives a whole batch one sequence number, so two writes
    /// to one key within it would have no order.
    writes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    room: &'a Room,
    /// Free space when the first execution of the batch began.
    free: Option<Free>,
}

impl<'a> PendingBatch<'a> {
    /// Creates an empty batch. Its writes are stamped `now`.
    pub(super) fn new(tables: &'a Tables, running: &'a mut Running, room: &'a Room, now: Timestamp) -> Self {
        let (changed, writes) = (HashMap::default(), BTreeMap::new());
        Self { tables, running, view: OnceCell::new(), now, changed, writes, room, free: None }
    }

    /// Implements [`crate::store::Store::claim`].
    pub(super) fn claim(&mut self, id: RecordId, first: Record) -> Result<Claimed, StoreError> {
        if let Some(record) = self.record(id)? {
            let response = self.response(id, &record)?;
            return Ok(Claimed::Found(Found { record, response, now: self.now }));
        }
        self.begin(id)?;
        let first = Record { created_at: self.now, updated_at: self.now, ..first };
        self.put(id, None, first.clone(), None);
        Ok(Claimed::Won(first))
    }

    /// Implements [`crate::store::Store::compare_and_set`].
    pub(super) fn compare_and_set(
        &mut self,
        id: RecordId,
        expected: Revision,
        change: Change,
    ) -> Result<Swap, StoreError> {
        let old = match self.record(id)? {
            Some(old) if old.revision == expected => old,
            other => return self.snapshot(id, other).map(Swap::Conflict),
        };
        Ok(Swap::Stored(match change {
            Change::Write(Written { record, response, .. }) => {
                if is_running(&record) && !is_running(&old) {
                    self.begin(id)?;
                }
                let record = Record { updated_at: self.now, ..record };
                self.put(id, Some(&old), record.clone(), response);
                Some(record)
            }
            Change::Remove(_) => {
                self.remove(id, &old);
                None
            }
        }))
    }

    /// Implements [`crate::store::Store::replace_document`].
    pub(super) fn replace_document(
        &mut self,
        name: DocumentName,
        expected: Option<&Bytes>,
        document: &Bytes,
    ) -> Result<Replaced, StoreError> {
        let written = self.writes.get(&(Table::Meta, key_of(name)));
        let equal = match written {
            Some(written) => written.as_deref() == expected.map(|bytes| &bytes[..]),
            None => self.tables.document_in(self.view(), name)?.as_ref() == expected,
        };
        if equal {
            self.write(Table::Meta, &key_of(name), Some(document.to_vec()));
        }
        Ok(Replaced::where_equal(equal))
    }

    /// Writes the batch and syncs it. Readers see the batch only after that.
    ///
    /// The engine writes its journal, syncs it, and applies the batch to the data that it reads from, in this
    /// order. A batch without writes only asks whether the engine still works.
    pub(super) fn commit(mut self) -> fjall::Result<()> {
        if self.writes.is_empty() && self.changed.is_empty() {
            return self.tables.database.persist(PersistMode::Buffer);
        }
        self.write(Table::Meta, CLOCK, Some(self.now.0.to_be_bytes().to_vec()));
        let mut batch = begun(self.tables, self.writes.len() + 4 * self.changed.len());
        for (id, changed) in &self.changed {
            changed.write(*id, self.tables, &mut batch);
        }
        add(self.tables, &mut batch, self.writes);
        batch.commit()?;
        // The room is given back only now: this write has just used the room that was set aside.
        let is_over = |changed: &Changed| !changed.record.as_ref().is_some_and(is_running);
        let ended = self.changed.iter().filter(|(_, changed)| is_over(changed)).map(|(id, _)| *id);
        self.room.end(ended);
        for (id, changed) in self.changed {
            self.running.note(id, changed.record);
        }
        Ok(())
    }

    /// Sets room aside for an execution that begins.
    fn begin(&mut self, id: RecordId) -> Result<(), StoreError> {
        let free = *self.free.get_or_insert_with(|| self.room.free(self.tables));
        self.room.begin(id, free).map_err(StoreError::refused)
    }

    fn snapshot(&self, id: RecordId, record: Option<Record>) -> Result<Snapshot, StoreError> {
        let response = match &record {
            Some(record) => self.response(id, record)?,
            None => None,
        };
        Ok(Snapshot { record, response, now: self.now })
    }

    fn view(&self) -> &fjall::Snapshot {
        self.view.get_or_init(|| self.tables.database.snapshot())
    }

    fn record(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        if let Some(changed) = self.changed.get(&id) {
            return Ok(changed.record.clone());
        }
        match self.running.get(id) {
            Some(record) => Ok(Some(record.clone())),
            None => self.tables.record(self.view(), id),
        }
    }

    fn response(&self, id: RecordId, record: &Record) -> Result<Option<StoredResponse>, StoreError> {
        match self.changed.get(&id).map(|changed| &changed.response) {
            Some(Body::Put(response)) => Ok(Some(response.clone())),
            Some(Body::Removed) => Ok(None),
            Some(Body::Kept) | None => self.tables.response(self.view(), id, record),
        }
    }

    fn put(&mut self, id: RecordId, old: Option<&Record>, record: Record, response: Option<StoredResponse>) {
        let body = match (record.state, response) {
            (State::Completed { .. }, Some(response)) => Body::Put(response),
            (State::Completed { .. }, None) => Body::Kept,
            _ if old.is_some_and(has_response) => Body::Removed,
            _ => Body::Kept,
        };
        self.change(id, old, Some(record), body);
    }

    fn remove(&mut self, id: RecordId, old: &Record) {
        let body = if has_response(old) { Body::Removed } else { Body::Kept };
        self.change(id, Some(old), None, body);
    }

    fn change(&mut self, id: RecordId, old: Option<&Record>, record: Option<Record>, response: Body) {
        self.list_unknown(id, old, record.as_ref());
        match self.changed.get_mut(&id) {
            Some(changed) => changed.change(record, response),
            None => drop(self.changed.insert(id, Changed::new(old, record, response))),
        }
    }

    fn list_unknown(&mut self, id: RecordId, old: Option<&Record>, new: Option<&Record>) {
        let position = |record: Option<&Record>| record.and_then(|record| Position::of(id, record));
        let (before, after) = (position(old), position(new));
        match (before, after) {
            (None, Some(_)) => self.write(Table::Unknown, id.as_bytes(), Some(Vec::new())),
            (Some(_), None) => self.write(Table::Unknown, id.as_bytes(), None),
            _ => {}
        }
        if let Some(before) = before.filter(|_| before != after) {
            self.write(Table::UnknownSince, &unknown::key(before), None);
        }
        if let (Some(after), Some(record)) = (after, new) {
            self.write(Table::UnknownSince, &unknown::key(after), Some(record.route.as_bytes().to_vec()));
        }
    }

    /// Runs [`PendingBatch::relist`] for each of `positions`. A record that cannot be decoded keeps its
    /// entries.
    pub(super) fn relist_all(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        for position in positions {
            match self.relist(*position) {
                Ok(()) | Err(StoreError::Unreadable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes the listed `position` from the index by time if the record does not bear it out, and lists
    /// the record where it is missing.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the record cannot be decoded; its entries stay as they are.
    fn relist(&mut self, position: Position) -> Result<(), StoreError> {
        let record = self.record(position.id)?;
        let right = record.as_ref().and_then(|record| Position::of(position.id, record));
        if right != Some(position) {
            self.write(Table::UnknownSince, &unknown::key(position), None);
        }
        if let (Some(right), Some(record)) = (right, record) {
            self.write(Table::UnknownSince, &unknown::key(right), Some(record.route.as_bytes().to_vec()));
        }
        Ok(())
    }

    fn write(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) {
        self.writes.insert((table, key.to_vec()), value);
    }
}

/// Writes down that time has come to `now`, so that it does not go back over a restart.
pub(super) fn commit_clock(tables: &Tables, now: Timestamp) -> fjall::Result<()> {
    let mut batch = begun(tables, 1);
    batch.insert(tables.keyspace(Table::Meta), CLOCK, now.0.to_be_bytes());
    batch.commit()
}

/// Writes a batch that contains only the mark.
pub(super) fn commit_mark(tables: &Tables) -> fjall::Result<()> {
    begun(tables, 0).commit()
}

/// Begins a batch of about `items` writes, which is synced when it is committed. Every batch of the store
/// begins here, because each has to begin with the mark.
fn begun(tables: &Tables, items: usize) -> OwnedWriteBatch {
    let batch = OwnedWriteBatch::with_capacity(tables.database.clone(), items + 1);
    let mut batch = batch.durability(Some(PersistMode::SyncData));
    batch.insert(tables.keyspace(Table::Meta), mark::KEY, tables.mark.as_bytes());
    batch
}

fn add(tables: &Tables, batch: &mut OwnedWriteBatch, writes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>) {
    for ((table, key), value) in writes {
        match value {
            Some(value) => batch.insert(tables.keyspace(table), key, value),
            None => batch.remove(tables.keyspace(table), key),
        }
    }
}

fn has_response(record: &Record) -> bool {
    matches!(record.state, State::Completed { .. })
}
