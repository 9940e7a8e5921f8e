//! What the system tells the process.

use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::StartError;

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for both from now on.
    pub(super) fn new() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(|error| StartError(format!("signals: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for one; its name.
    pub(super) async fn next(&mut self) -> &'static str {
        select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
