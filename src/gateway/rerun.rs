//! Executions without a client: the gateway sends a kept request again.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::protocol::{Record, RecordId, TakeOver};
use crate::settle::KeptRequest;
use crate::settle::background::{Rerun, Runner};

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
}

impl Runner for KeptRunner {
    fn run_again(&self, id: RecordId, record: Arc<Record>, request: KeptRequest) -> Rerun<'_> {
        Box::pin(async move {
            let route = self.gateway.routes.table().named(&record.route).cloned();
            let attempt = route.and_then(|route| Attempt::again(id, route, &record, request));
            let Some(attempt) = attempt else {
                return warn!(record = %id, route = %record.route, "the kept request does not fit its route");
            };
            // The next try comes by itself.
            let Ok(permit) = self.gateway.admit(attempt.party) else { return };
            let step = TakeOver { owner: (self.gateway.new_owner)(), n: record.state.n() };
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
