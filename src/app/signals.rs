//! What the system tells the process.

use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::StartError;

/// SIGHUP, which from now on ends nothing.
pub(super) fn hang_ups() -> Result<Signal, StartError> {
    listen(SignalKind::hangup())
}

fn listen(kind: SignalKind) -> Result<Signal, StartError> {
    signal(kind).map_err(|error| StartError(format!("signals: {error}")))
}

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for both from now on.
    pub(super) fn new() -> Result<Self, StartError> {
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
