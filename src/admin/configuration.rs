//! The configuration in force, for the endpoints that show it and load it again.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::config::LiveConfig;

use super::last_reloads::{LastReloads, Reload};

/// Number of requests for a reload that wait.
const WAITING: usize = 16;

/// A request for a reload.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Name of the operator.
    pub by: Arc<str>,
    /// Receiver of the result.
    pub reply: oneshot::Sender<Reload>,
}

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

/// The side of the task that reloads.
#[derive(Debug)]
pub struct Reloads {
    /// Requests for a reload.
    pub requests: mpsc::Receiver<ReloadRequest>,
    /// The last reloads.
    pub last: LastReloads,
}

impl Configuration {
    /// Returns the side of the operators, and that of the task that reloads.
    #[must_use]
    pub fn of(live: &LiveConfig) -> (Self, Reloads) {
        let ((reloads, requests), last) = (mpsc::channel(WAITING), LastReloads::default());
        (Self { live: live.clone(), reloads, last: last.clone() }, Reloads { requests, last })
    }
}
