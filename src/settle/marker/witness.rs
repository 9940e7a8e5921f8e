//! The witness of a marker table: it fences what it is asked about.

use std::time::Duration;

use crate::config::Marker;
use crate::protocol::{OnUnknown, StoredResponse};

use super::super::witness::{Case, Fence, Testimony, Witness, WitnessFuture};
use super::{MarkerTable, Row, TableError};

/// Longest wait for one row. An upstream's transaction that is open for longer leaves the outcome unknown.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The witness that reads and fences rows of one table.
pub(super) struct MarkerWitness(MarkerTable);

/// The rows of all undecided executions, after each was fenced.
enum Rows {
    /// Only fences: no execution has acted, and none can act any more.
    Fenced,
    /// An execution that has acted, with its response if the upstream wrote it.
    Committed(Option<StoredResponse>),
}

impl MarkerWitness {
    pub(super) fn new(marker: &Marker) -> Result<Self, String> {
        MarkerTable::new(&marker.url.0, &marker.table, TIMEOUT).map(Self)
    }

    async fn fence_all(&self, case: Case<'_>) -> Result<Rows, TableError> {
        for n in case.undecided() {
            if let Row::Committed(response) = self.0.fence(&case.execution(n)).await? {
                return Ok(Rows::Committed(response));
            }
        }
        Ok(Rows::Fenced)
    }
}

impl Witness for MarkerWitness {
    fn serves(&self, policy: OnUnknown) -> bool {
        policy == OnUnknown::Marker
    }

    fn ask<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Testimony> {
        Box::pin(async move {
            match self.fence_all(case).await {
                Ok(Rows::Fenced) => Testimony::NotExecuted { fenced: true },
                Ok(Rows::Committed(response)) => Testimony::Executed(response),
                Err(error) => Testimony::Undecided(error.to_string()),
            }
        })
    }

    fn may_complete<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, bool> {
        Box::pin(async move {
            matches!(self.0.read(&case.execution(case.n)).await, Ok(None | Some(Row::Committed(_))))
        })
    }

    fn fence<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Fence> {
        Box::pin(async move {
            match self.fence_all(case).await {
                Ok(Rows::Fenced) => Fence::Closed,
                Ok(Rows::Committed(_)) => Fence::Executed,
                Err(error) => Fence::Unanswered(error.to_string()),
            }
        })
    }
}
