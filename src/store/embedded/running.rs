//! The running records that this process wrote, as they are stored.
//!
//! Nearly every write that follows a claim is the completion of the same record. The writer compares it with
//! this copy, so that it neither searches the tables nor decodes the record again. Only the writer writes to
//! the store, so a copy is never behind.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::protocol::{Record, RecordId, State};

/// Copies of the stored records that are running.
#[derive(Default)]
pub(super) struct Running(HashMap<RecordId, Record, RandomState>);

impl Running {
    /// Returns the stored record under `id`, if there is a copy.
    pub(super) fn get(&self, id: RecordId) -> Option<&Record> {
        self.0.get(&id)
    }

    /// Notes that `record` is stored under `id` now, or nothing.
    pub(super) fn note(&mut self, id: RecordId, record: Option<Record>) {
        match record.filter(is_running) {
            Some(record) => self.0.insert(id, record),
            None => self.0.remove(&id),
        };
    }
}

/// Tells whether an execution of `record` is running.
pub(super) fn is_running(record: &Record) -> bool {
    matches!(record.state, State::Running { .. })
}
