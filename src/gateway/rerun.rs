//! Executions without a client: the gateway sends a kept request again.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::config::Route;
use crate::protocol::{Record, RecordId, TakeOver};
use crate::routes::Matched;
use crate::settle::background::{Rerun, Runner};
use crate::settle::{KeptRequest, Settler};

use super::attempt::Attempt;
use super::contest::Bid;
use super::{Gateway, Upstream};

/// The part that sends kept requests again, through the same inner service as the attempts of clients.
pub struct KeptRunner {
    gateway: Arc<Gateway>,
    upstream: Upstream,
}

impl KeptRunner {
    /// Creates a runner of this gateway in front of `upstream`.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, upstream: Upstream) -> Self {
        Self { gateway, upstream }
    }

    /// Returns the route that the request would find now, if it leads where it led the first time. The names of
    /// routes are no help: a later file may give them to other routes.
    fn route_of(&self, record: &Record, request: &KeptRequest) -> Option<Arc<Route>> {
        let table = self.gateway.routes.table();
        let found = table.find(&request.method, request.uri.path(), &request.headers);
        let Matched::Route(route) = found else { return None };
        let fits = route.namespace == record.namespace && Settler::is_evidence_at(record, &route);
        fits.then_some(route)
    }
}

impl Runner for KeptRunner {
    fn run_again(&self, id: RecordId, record: Arc<Record>, request: KeptRequest) -> Rerun<'_> {
        Box::pin(async move {
            let attempt = self.route_of(&record, &request);
            let attempt = attempt.and_then(|route| Attempt::again(id, route, &record, request));
            let Some(attempt) = attempt else {
                return warn!(
                    record = %id, route = %record.route,
                    "the kept request does not fit its route any more and is not sent again: an operator has to decide"
                );
            };
            // An execution in this process may hold an answer that the store has yet to take.
            if self.gateway.flights.join(id).has_execution() {
                return;
            }
            let Some(permit) = self.gateway.admit_kept(attempt.party).await else { return };
            let Some(after) = record.state.owner() else { return };
            let step = TakeOver { owner: (self.gateway.new_owner)(), after, n: record.state.n() };
            info!(record = %id, route = %record.route, execution = step.n + 1, "the kept request is sent again");
            let (sender, receiver) = oneshot::channel();
            let run = Arc::clone(&self.gateway).bid_and_run(
                self.upstream.clone(),
                Box::new(attempt),
                Bid::TakeOver(step),
                permit,
                sender,
            );
            self.gateway.executions.spawn(Box::pin(run));
            // The answer has no client. It counts once the execution has stored it.
            drop(receiver.await);
        })
    }
}
