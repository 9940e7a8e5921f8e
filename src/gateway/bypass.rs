//! `on_store_error = "bypass"`: what happens to an attempt that the store does not answer.
//!
//! It is forwarded as a request without a key would be, and says so: in the answer
//! (`Idempotency-Stored: false`), in a metric, in the log. Nothing is recorded of it, so a retry runs
//! the operation again; the route's configuration says that this was accepted. What is known to run
//! already is not forwarded, nor is anything whose record was found and cannot be read.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::warn;

use crate::protocol::Sent;
use crate::store::StoreError;

use super::attempt::Attempt;
use super::reply::{Reply, outcome_unknown};
use super::unprotected::forward;
use super::{Gateway, Upstream};
use crate::problem::{Problem, Slug};

impl Gateway {
    /// Forwards an attempt of which the store said nothing but `error`. No client that leaves cancels
    /// it: a payment that is cut off half-way is worse than one that nobody waits for.
    pub(super) async fn bypass(
        self: &Arc<Self>,
        upstream: Upstream,
        mut attempt: Box<Attempt>,
        error: &StoreError,
    ) -> Result<Reply, Problem> {
        let place = self.admit(attempt.party)?;
        let route = &attempt.route.name;
        warn!(record = %attempt.id, %route, "forwarded UNPROTECTED, as on_store_error says: {error}");
        self.metrics.bypassed(route);
        let request = attempt.unprotected_request();
        let (tell, told) = oneshot::channel();
        self.executions.spawn(async move {
            drop(tell.send(forward(upstream, request).await));
            drop(place);
        });
        // Only a panic in the task can leave this unanswered.
        let told = told.await.unwrap_or(Err(Sent::Maybe)).map_err(|sent| match sent {
            Sent::Never => Problem::new(Slug::UpstreamUnreachable, "No connection could be made."),
            Sent::Maybe => outcome_unknown().present(),
        });
        told.flatten().map(Reply::bypassed)
    }
}
