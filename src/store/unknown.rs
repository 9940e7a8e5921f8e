//! The list of unknown outcomes in the order of time, and their count.
//!
//! An operator decides the oldest unknown outcome first, and metrics count them every few seconds, so
//! stores keep an index of unknown records by the time of their last write, with the route beside it.
//! Records are not decoded to be counted.
//!
//! Gateways of an earlier release do not know this index. While one writes to the same store, an entry may be
//! missing, or may be left over from a record that changed since. A list leaves out an entry that its
//! record does not bear out. A count may be off by such entries until [`Store::mend_unknown`] has compared
//! the index with the records.
//!
//! [`Store::mend_unknown`]: super::Store::mend_unknown

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, State};

/// Position of a record in the list of unknown outcomes. Positions have the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Time of the record's last write, with which its outcome became unknown.
    pub since: Timestamp,
    /// Id of the record.
    pub id: RecordId,
}

impl Position {
    /// Returns the position of `record` in the list; `None` unless its outcome is unknown.
    #[must_use]
    pub fn of(id: RecordId, record: &Record) -> Option<Self> {
        matches!(record.state, State::Unknown { .. }).then_some(Self { since: record.updated_at, id })
    }
}

/// Selection of unknown records for [`Store::oldest_unknown`].
///
/// [`Store::oldest_unknown`]: super::Store::oldest_unknown
#[derive(Clone, Debug, Default)]
pub struct UnknownFilter {
    /// Name of the route that created the records; `None` for every route.
    pub route: Option<String>,
    /// Cursor of the page before; only records behind it are listed.
    pub after: Option<Position>,
}

impl UnknownFilter {
    /// Tells whether `record` fits. The cursor is not compared.
    #[must_use]
    pub fn fits(&self, record: &Record) -> bool {
        self.route.as_deref().is_none_or(|route| route == &*record.route)
    }
}

/// A part of the list of unknown outcomes.
#[derive(Clone, Debug, Default)]
pub struct UnknownPage {
    /// The records, oldest first.
    pub records: Vec<(RecordId, Record)>,
    /// Cursor of the next page; `None` at the end of the list. A page may be short, even empty, and
    /// have a next one.
    pub next: Option<Position>,
    /// The store's clock.
    pub now: Timestamp,
}

/// Count of the unknown outcomes of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The unknown outcomes of each route that has some, by its name.
    pub routes: BTreeMap<String, RouteTally>,
    /// The store's clock.
    pub now: Timestamp,
}

/// Count of the unknown outcomes of one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteTally {
    /// Number of records.
    pub records: u64,
    /// Time since which the oldest of them is unknown.
    pub oldest: Timestamp,
}

impl Tally {
    /// Returns the number of unknown outcomes of all routes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.routes.values().map(|route| route.records).sum()
    }

    /// Counts `records` more of `route`, the oldest of which is unknown since `oldest`.
    pub(super) fn add(&mut self, route: &str, records: u64, oldest: Timestamp) {
        match self.routes.get_mut(route) {
            Some(tally) => {
                tally.records += records;
                tally.oldest = tally.oldest.min(oldest);
            }
            None => drop(self.routes.insert(route.to_owned(), RouteTally { records, oldest })),
        }
    }
}
