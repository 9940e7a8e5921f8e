//! The configuration in force, for the endpoints that show it and load it again.

use tokio::sync::{mpsc, oneshot};

use crate::config::LiveConfig;

use super::last_reloads::LastReloads;
use super::reloaded::Reloaded;

/// Number of requests for a reload that wait.
const RELOADS: usize = 16;

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

impl Configuration {
    /// Returns the configuration in force with no reload so far, and the requests for reloads.
    #[must_use]
    pub fn new(live: LiveConfig) -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (reloads, requests) = mpsc::channel(RELOADS);
        (Self { live, reloads, last: LastReloads::default() }, requests)
    }
}
