//! The index of unknown records in the order of time: its keys, the list, the count, and what an earlier
//! release left out or left behind.
//!
//! An earlier release that opened this store in between wrote [`Table::Unknown`] only. The first
//! comparison after a start finds the entries that are missing or left over, and the writer mends them.

use std::ops::Bound;

use fjall::Readable;

use crate::clock::Clock;
use crate::protocol::{Record, RecordId};
use crate::store::{PAGE_SCAN, Position, StoreError, Tally, UnknownFilter, UnknownPage};

use super::deadlines;
use super::tables::{Table, Tables, failed, report_unreadable};

/// Number of entries that one command of the writer mends.
pub(super) const MENDED_TOGETHER: usize = 256;

/// Returns the key of `position`; the order of the keys is the order of the list.
pub(super) fn key(position: Position) -> [u8; 28] {
    deadlines::key(position.since, position.id)
}

fn parse(key: &[u8]) -> Option<Position> {
    let position = deadlines::parse(key).map(|(since, id)| Position { since, id });
    if position.is_none() {
        tracing::error!(length = key.len(), "a stored key is not an entry of an unknown record");
    }
    position
}

/// Implements [`crate::store::Store::oldest_unknown`]. Blocks on the disk for up to [`PAGE_SCAN`] records.
pub(super) fn oldest(
    tables: &Tables,
    filter: &UnknownFilter,
    limit: usize,
) -> Result<UnknownPage, StoreError> {
    let view = tables.database.snapshot();
    let from = filter.after.map_or(Bound::Unbounded, |after| Bound::Excluded(key(after)));
    let mut page = UnknownPage::default();
    let listed = view.range(tables.keyspace(Table::UnknownSince), (from, Bound::Unbounded));
    for (seen, entry) in listed.enumerate() {
        let key = entry.key().map_err(failed)?;
        let Some(position) = parse(&key) else { continue };
        let listed = readable(tables, &view, position.id)?
            .filter(|record| Position::of(position.id, record) == Some(position) && filter.fits(record));
        page.records.extend(listed.map(|record| (position.id, record)));
        if page.records.len() >= limit || seen + 1 >= PAGE_SCAN {
            page.next = Some(position);
            break;
        }
    }
    page.now = tables.clock.now();
    Ok(page)
}

/// Implements [`crate::store::Store::tally`]. Blocks on the disk for all entries.
pub(super) fn tally(tables: &Tables) -> Result<Tally, StoreError> {
    let view = tables.database.snapshot();
    let mut tally = Tally::default();
    for entry in view.iter(tables.keyspace(Table::UnknownSince)) {
        let (key, route) = entry.into_inner().map_err(failed)?;
        if let Some(position) = parse(&key) {
            tally.add(&String::from_utf8_lossy(&route), 1, position.since);
        }
    }
    tally.now = tables.clock.now();
    Ok(tally)
}

/// Returns the entries that are left over, and the positions of unknown records that are not listed.
/// Blocks on the disk for all unknown records.
pub(super) fn wrong(tables: &Tables) -> Result<Vec<Position>, StoreError> {
    let view = tables.database.snapshot();
    let mut wrong = Vec::new();
    for entry in view.iter(tables.keyspace(Table::UnknownSince)) {
        let key = entry.key().map_err(failed)?;
        let Some(position) = parse(&key) else { continue };
        if !is_listed_rightly(tables, &view, position)? {
            wrong.push(position);
        }
    }
    for entry in view.iter(tables.keyspace(Table::Unknown)) {
        let id = entry.key().map_err(failed)?;
        let Some(id) = RecordId::from_bytes(&id) else { continue };
        let record = readable(tables, &view, id)?;
        let Some(position) = record.and_then(|record| Position::of(id, &record)) else { continue };
        let listed = view.get(tables.keyspace(Table::UnknownSince), key(position));
        if listed.map_err(failed)?.is_none() {
            wrong.push(position);
        }
    }
    Ok(wrong)
}

/// Tells whether the record of an entry bears it out, or cannot be decoded, which proves nothing.
fn is_listed_rightly(tables: &Tables, view: &impl Readable, listed: Position) -> Result<bool, StoreError> {
    match tables.record(view, listed.id) {
        Ok(record) => Ok(record.and_then(|record| Position::of(listed.id, &record)) == Some(listed)),
        Err(StoreError::Unreadable { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn readable(tables: &Tables, view: &impl Readable, id: RecordId) -> Result<Option<Record>, StoreError> {
    match tables.record(view, id) {
        Err(StoreError::Unreadable { id, cause }) => {
            report_unreadable(id, &cause);
            Ok(None)
        }
        read => read,
    }
}
