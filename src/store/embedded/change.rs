//! A change of one record within a batch, and the writes that it takes.

use fjall::OwnedWriteBatch;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, StoredResponse};
use crate::store::codec;

use super::deadlines;
use super::tables::{Table, Tables};

/// The effect of a batch on one record.
pub(super) struct Changed {
    /// The deadline of the record before the batch; `None` if there was no record.
    stored: Option<Timestamp>,
    /// The record after the commands so far; `None` if it is removed.
    pub(super) record: Option<Record>,
    /// The effect on the record's response.
    pub(super) response: Body,
}

/// The effect of a batch on a stored response.
pub(super) enum Body {
    Kept,
    Put(StoredResponse),
    Removed,
}

impl Changed {
    /// Creates the first change of the batch to this record, which was `old` before.
    pub(super) fn new(old: Option<&Record>, record: Option<Record>, response: Body) -> Self {
        Self { stored: old.map(Record::deadline), record, response }
    }

    /// Adds a later change.
    pub(super) fn change(&mut self, record: Option<Record>, response: Body) {
        self.record = record;
        if !matches!(response, Body::Kept) {
            self.response = response;
        }
    }

    /// Adds the writes to `batch`. However many commands changed the record, there is one for each key.
    pub(super) fn write(&self, id: RecordId, tables: &Tables, batch: &mut OwnedWriteBatch) {
        let records = tables.keyspace(Table::Records);
        match &self.record {
            Some(record) => batch.insert(records, id.as_bytes(), codec::encode_record(record)),
            None if self.stored.is_some() => batch.remove(records, id.as_bytes()),
            None => {}
        }
        let responses = tables.keyspace(Table::Responses);
        match &self.response {
            Body::Put(response) => batch.insert(responses, id.as_bytes(), codec::encode_response(response)),
            Body::Removed => batch.remove(responses, id.as_bytes()),
            Body::Kept => {}
        }
        self.move_deadline(id, tables, batch);
    }

    fn move_deadline(&self, id: RecordId, tables: &Tables, batch: &mut OwnedWriteBatch) {
        let new = self.record.as_ref().map(Record::deadline);
        if self.stored == new {
            return;
        }
        let deadlines = tables.keyspace(Table::Deadlines);
        if let Some(old) = self.stored {
            batch.remove(deadlines, deadlines::key(old, id));
        }
        if let Some(new) = new {
            batch.insert(deadlines, deadlines::key(new, id), []);
        }
    }
}
