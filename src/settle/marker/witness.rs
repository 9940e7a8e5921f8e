//! The witness of a marker table: it fences what it is asked about.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::config::{Marker, Route};
use crate::headers::kept;
use crate::protocol::{OnUnknown, StoredResponse};

use super::super::witness::{Admission, Case, Fence, Testimony, Witness, WitnessFuture};
use super::{MarkerTable, Row, TableError};

/// Longest wait for one row. An upstream's transaction that is open for longer leaves the outcome unknown.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The witness that reads and fences rows of one table, for one route.
pub(super) struct MarkerWitness {
    table: MarkerTable,
    route: Arc<Route>,
}

/// The rows of all undecided executions, after each was fenced.
enum Rows {
    /// Only fences: no execution has acted, and none can act any more.
    Fenced,
    /// An execution that has acted, with its response if the upstream wrote it.
    Committed(Option<StoredResponse>),
}

impl MarkerWitness {
    pub(super) fn new(marker: &Marker, route: Arc<Route>) -> Result<Self, String> {
        Ok(Self { table: MarkerTable::new(&marker.url.0, &marker.table, TIMEOUT)?, route })
    }

    /// Returns the part of a response that the route keeps for replays. A response that is too large is not
    /// kept.
    fn kept(&self, response: StoredResponse) -> Option<StoredResponse> {
        let headers: HeaderMap = response.headers.into_iter().collect();
        let headers = kept(&headers, &self.route.replay_headers, &self.route.replay_drop);
        let fits = response.body.len() <= self.route.max_response_body;
        fits.then_some(StoredResponse { headers, ..response })
    }

    async fn fence_all(&self, case: Case<'_>) -> Result<Rows, TableError> {
        for n in case.undecided() {
            if let Row::Committed(response) = self.table.fence(&case.execution(n)).await? {
                return Ok(Rows::Committed(response.and_then(|response| self.kept(response))));
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

    fn may_complete<'w>(&'w self, case: Case<'w>) -> WitnessFuture<'w, Admission> {
        Box::pin(async move {
            match self.table.read(&case.execution(case.n)).await {
                Ok(Some(Row::Fenced)) => Admission::Fenced,
                Ok(None | Some(Row::Committed(_))) => Admission::Admitted,
                Err(error) => Admission::Unanswered(error.to_string()),
            }
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
