//! The state that all endpoints of the admin listener share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::protocol::Owner;
use crate::routes::LiveRoutes;
use crate::settle::Settler;
use crate::store::Ledger;
use crate::telemetry::Metrics;

use super::about::About;
use super::access::Access;
use super::configuration::Configuration;

/// The state that the endpoints share. It is cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    /// Reads and changes records.
    pub ledger: Ledger,
    /// Fences executions before an operator decides that they did not act.
    pub settler: Settler,
    /// The metrics that `/metrics` shows.
    pub metrics: Metrics,
    /// The facts about this gateway.
    pub about: About,
    /// The routes in use, for lookups by key.
    pub routes: LiveRoutes,
    /// Access control of `/v1`.
    pub access: Access,
    /// The configuration in force and its reloads; `None` where the routes never change.
    pub configuration: Option<Configuration>,
    /// Cancelled once the gateway is about to stop.
    pub draining: CancellationToken,
    /// Source of unguessable names for the responses that operators supply.
    pub new_owner: Arc<dyn Fn() -> Owner + Send + Sync>,
}
