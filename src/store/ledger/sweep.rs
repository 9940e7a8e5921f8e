//! The sweep: writes the effects of time on records that no attempt asks for.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, Sweep, SweepVerdict};

use super::super::{Cause, Snapshot, StoreError};
use super::Ledger;

/// Number of due records that one sweep step takes.
const SWEEP_BATCH: usize = 256;
/// Number of swept records written at once: no claim waits behind more.
const SWEPT_TOGETHER: usize = 32;

/// The result of one sweep step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Leases that lapsed into an unknown outcome.
    pub lapsed: usize,
    /// Outcomes that became tombstones.
    pub retired: usize,
    /// Tombstones that ended.
    pub forgotten: usize,
    /// True if more records may be due right now.
    pub more: bool,
}

impl Swept {
    fn count(&mut self, verdict: &SweepVerdict) {
        match verdict {
            SweepVerdict::Lapsed(_) => self.lapsed += 1,
            SweepVerdict::Retired(_) => self.retired += 1,
            SweepVerdict::Forgotten => self.forgotten += 1,
            SweepVerdict::Nothing => {}
        }
    }
}

impl Ledger {
    /// Makes one step of the sweep: writes the effects of time on some due records.
    ///
    /// # Errors
    /// The errors of the store. The next sweep continues from there.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        Ok(self.sweep_and_look_ahead().await?.0)
    }

    /// Makes one step of the sweep, as [`Ledger::sweep`]. The second value is the time, counted from the
    /// call, for which no other record that is stored now becomes due.
    ///
    /// # Errors
    /// As [`Ledger::sweep`].
    pub async fn sweep_and_look_ahead(&self) -> Result<(Swept, Duration), StoreError> {
        let due = self.dated(self.store.due(SWEEP_BATCH)).await?;
        let quiet_for = due.quiet_for;
        // With a clock that jumped, more records are due than there is work, and the same ones are due again
        // at once.
        let more = due.records.len() == SWEEP_BATCH && !self.clock_has_jumped();
        let mut swept = Swept { more, ..Swept::default() };
        let mut left = due.records;
        while !left.is_empty() {
            let some = left.drain(..left.len().min(SWEPT_TOGETHER)).collect();
            self.sweep_some(some, due.now, &mut swept).await?;
        }
        Ok((swept, quiet_for))
    }

    /// Returns the time after the beginning of a look for which no record that was written later can become
    /// due. Zero if that is not known: without [`Ledger::pausing_sweeps`], and while the store's clock is not
    /// believed.
    #[must_use]
    pub fn quiet_after_look(&self) -> Duration {
        match &self.shortest_span {
            Some(shortest) if !self.clock_has_jumped() => shortest.quiet_for(self.timeout),
            _ => Duration::ZERO,
        }
    }

    /// Sweeps some records at the same time, so that a store can batch their writes.
    async fn sweep_some(
        &self,
        records: Vec<(RecordId, Record)>,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        let mut steps = tokio::task::JoinSet::new();
        for (id, record) in records {
            let ledger = self.clone();
            steps.spawn(async move {
                let snapshot = Snapshot { record: Some(record), response: None, now };
                ledger.decide(id, snapshot, &Sweep, None).await
            });
        }
        let mut failed = None;
        while let Some(step) = steps.join_next().await {
            match step.map_err(|error| StoreError::Unclear(Cause::of(error.to_string(), error))).flatten() {
                Ok(decision) => swept.count(&decision.verdict),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
