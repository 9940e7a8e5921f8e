//! Signals from the operating system.

use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::start_error::StartError;

/// Listens for SIGHUP. From now on SIGHUP does not end the process.
pub(super) fn hang_ups() -> Result<Signal, StartError> {
    listen(SignalKind::hangup())
}

fn listen(kind: SignalKind) -> Result<Signal, StartError> {
    signal(kind).map_err(|error| StartError::of("signals", error))
}

/// The signals SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for both signals from now on.
    pub(super) fn new() -> Result<Self, StartError> {
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for one of the signals and returns its name.
    pub(super) async fn next(&mut self) -> &'static str {
        select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
