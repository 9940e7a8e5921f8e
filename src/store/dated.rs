//! The time in a store's answer.

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId};

use super::{Claimed, Document, Due, Page, Snapshot, Swap, Tally, UnknownPage};

/// An answer that carries the time of a store's clock.
pub(super) trait Dated {
    /// Replaces the store's time by the result of `judge`. Leaves an answer as it is if the time in it may be
    /// a record's stamp instead: a record is never older than its stamps, so a store returns a record's own
    /// stamp while its clock is behind that.
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp);
}

impl Dated for Snapshot {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        if self.record.as_ref().is_none_or(|record| record.updated_at != self.now) {
            self.now = judge(self.now);
        }
    }
}

impl Dated for Claimed {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        match self {
            // The stamp stays, because the store holds it.
            Self::Won(record) => drop(judge(record.updated_at)),
            Self::Found(found) if found.now != found.record.updated_at => found.now = judge(found.now),
            Self::Found(_) => {}
        }
    }
}

impl Dated for Swap {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        if let Self::Conflict(snapshot) = self {
            snapshot.date(judge);
        }
    }
}

impl Dated for Due {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        self.now = judge(self.now);
    }
}

impl Dated for Document {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        self.now = judge(self.now);
    }
}

impl Dated for Page {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        date_list(&self.records, &mut self.now, judge);
    }
}

impl Dated for UnknownPage {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        date_list(&self.records, &mut self.now, judge);
    }
}

impl Dated for Tally {
    fn date(&mut self, judge: impl FnOnce(Timestamp) -> Timestamp) {
        if self.routes.values().all(|route| route.oldest != self.now) {
            self.now = judge(self.now);
        }
    }
}

fn date_list(
    records: &[(RecordId, Record)],
    now: &mut Timestamp,
    judge: impl FnOnce(Timestamp) -> Timestamp,
) {
    // The time may be the stamp of a record in the list.
    if records.iter().all(|(_, record)| record.updated_at != *now) {
        *now = judge(*now);
    }
}
