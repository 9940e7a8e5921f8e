//! `on_store_error = "bypass"`: forwards an attempt when the store does not answer.
//!
//! The attempt is forwarded like a request without a key. The answer (`Idempotency-Stored: false`), a metric
//! and the log say so. No record is written, so a retry runs the operation again. The operator accepted this
//! in the route's configuration. An operation that is known to run already is not forwarded, and neither is
//! an operation with a record that was found but cannot be read.

use std::sync::Arc;

use tokio::sync::oneshot;
use tower::ServiceExt;
use tracing::warn;

use crate::problem::{Problem, Slug};
use crate::protocol::Sent;
use crate::store::StoreError;

use super::attempt::Attempt;
use super::reply::{Reply, Unsettled, outcome_unknown};
use super::unprotected::passed_on;
use super::{Gateway, Upstream};

impl Gateway {
    /// Forwards an attempt for which the store returned only `error`. A client that leaves does not cancel
    /// it: a payment that is cut off half-way is worse than a payment without a waiting client.
    pub(super) async fn bypass(
        self: &Arc<Self>,
        upstream: Upstream,
        mut attempt: Box<Attempt>,
        error: &StoreError,
    ) -> Result<Reply, Problem> {
        let permit = self.admit(attempt.party)?;
        let route = &attempt.route.name;
        warn!(record = %attempt.id, %route, "forwarded UNPROTECTED, as on_store_error says: {error}");
        self.metrics.bypassed(route);
        let request = attempt.unprotected_request();
        let (sender, receiver) = oneshot::channel();
        self.executions.spawn(async move {
            drop(sender.send(passed_on(upstream.oneshot(request).await, ())));
            drop(permit);
        });
        // Only a panic in the task can drop the sender.
        let answer = receiver.await.unwrap_or(Err(Sent::Maybe)).map_err(|sent| match sent {
            Sent::Never => Problem::new(Slug::UpstreamUnreachable, "No connection could be made."),
            Sent::Maybe => outcome_unknown(Unsettled::Held).present(),
        });
        answer.flatten().map(Reply::bypassed)
    }
}
