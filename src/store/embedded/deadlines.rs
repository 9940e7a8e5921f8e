//! The search for due records, without reading again the entries that were swept long ago.
//!
//! A removed entry of a log-structured table costs every later scan over it until a compaction drops it.
//! [`LowWater`] remembers the deadline below which no entry is left. That is safe because a write that a scan
//! has not seen never carries an earlier stamp, and so never an earlier deadline.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fjall::Readable;
use parking_lot::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::protocol::{Record, RecordId};
use crate::store::{Due, StoreError};

use super::tables::{Table, Tables, failed, report_unreadable};

/// The deadline below which there is no entry, and will be none.
#[derive(Default)]
pub(super) struct LowWater {
    mark: AtomicU64,
    /// The stamp of the batch that is being written.
    // Only one assignment is made under the lock, so nothing can be half done.
    writing: Mutex<Option<Timestamp>>,
}

impl LowWater {
    /// Begins a batch and returns its stamp.
    pub(super) fn begin(&self, clock: &impl Clock) -> Timestamp {
        let mut writing = self.writing.lock();
        let now = clock.now();
        *writing = Some(now);
        now
    }

    /// Ends the batch that began. From now on every snapshot shows it.
    pub(super) fn end(&self) {
        *self.writing.lock() = None;
    }

    /// Returns a moment before which no stamp is missing: a snapshot that is opened after this call shows
    /// every batch with an earlier stamp.
    fn floor(&self, clock: &impl Clock) -> Timestamp {
        let writing = self.writing.lock();
        writing.unwrap_or_else(|| clock.now())
    }
}

/// Returns the key of a record's deadline. The order of the keys is the order of the deadlines.
pub(super) fn key(deadline: Timestamp, id: RecordId) -> [u8; 28] {
    let mut key = [0; 28];
    key[..8].copy_from_slice(&deadline.0.to_be_bytes());
    key[8..].copy_from_slice(id.as_bytes());
    key
}

/// Returns the parts of such a key.
pub(super) fn parse(key: &[u8]) -> Option<(Timestamp, RecordId)> {
    let (deadline, id) = key.split_first_chunk::<8>()?;
    Some((Timestamp(u64::from_be_bytes(*deadline)), RecordId::from_bytes(id)?))
}

/// Returns up to `limit` records with a deadline that has passed. Blocks on the disk.
pub(super) fn due(tables: &Tables, low: &LowWater, limit: usize) -> Result<Due, StoreError> {
    let floor = low.floor(&tables.clock);
    let view = tables.database.snapshot();
    // A scan ahead would read over the removed entries of all executions that ended before their deadline.
    let mut due = Due { records: Vec::new(), now: tables.clock.now(), quiet_for: Duration::ZERO };
    let mut first_left = floor;
    let from = low.mark.load(Ordering::Acquire).to_be_bytes().to_vec();
    let to = due.now.0.saturating_add(1).to_be_bytes().to_vec();
    for entry in view.range(tables.keyspace(Table::Deadlines), from..to) {
        let key = entry.key().map_err(failed)?;
        let Some((deadline, id)) = parse(&key) else {
            tracing::error!(length = key.len(), "a stored key is not a deadline");
            continue;
        };
        if due.records.len() >= limit {
            first_left = first_left.min(deadline);
            break;
        }
        if let Some(record) = due_record(tables, &view, deadline, id)? {
            first_left = first_left.min(deadline);
            due.records.push((id, record));
        }
    }
    low.mark.fetch_max(first_left.0, Ordering::AcqRel);
    Ok(due)
}

/// Returns the record that `deadline` belongs to. Returns `None` for a record that cannot be decoded: the
/// low-water mark passes it, so it is not read again before the next start.
fn due_record(
    tables: &Tables,
    view: &impl Readable,
    deadline: Timestamp,
    id: RecordId,
) -> Result<Option<Record>, StoreError> {
    match tables.record(view, id) {
        Ok(record) => Ok(record.filter(|record| record.deadline() == deadline)),
        Err(StoreError::Unreadable { id, cause }) => {
            report_unreadable(id, &cause);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_batch_on_its_way_holds_the_floor_down() {
        let (low, clock) = (LowWater::default(), ManualClock::at(Timestamp(100)));
        assert_eq!(low.floor(&clock), Timestamp(100));
        let stamp = low.begin(&clock);
        clock.advance(Duration::from_millis(50));
        assert_eq!(low.floor(&clock), stamp);
        low.end();
        assert_eq!(low.floor(&clock), Timestamp(150));
    }

    #[test]
    fn keys_sort_by_deadline() {
        let id = |byte| RecordId::from_bytes(&[byte; 20]).expect("twenty bytes");
        let keys = [key(Timestamp(1), id(9)), key(Timestamp(256), id(0)), key(Timestamp(256), id(1))];
        assert!(keys.is_sorted());
        assert_eq!(parse(&keys[2]), Some((Timestamp(256), id(1))));
        assert_eq!(parse(b"short"), None);
    }
}
