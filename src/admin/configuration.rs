//! The configuration in force, for the endpoints that show it and load it again.

use tokio::sync::{mpsc, oneshot};

use crate::config::LiveConfig;

use super::last_reloads::LastReloads;
use super::reloaded::Reloaded;

/// A request for a reload. Its result is sent back.
pub type ReloadRequest = oneshot::Sender<Reloaded>;

/// The configuration in force, and the way to the task that reloads it.
#[derive(Clone)]
pub struct Configuration {
    /// The configuration in force.
    pub live: LiveConfig,
    /// Receiver of requests for a reload.
    pub reloads: mpsc::Sender<ReloadRequest>,
    /// The last reloads.
    pub last: LastReloads,
}
