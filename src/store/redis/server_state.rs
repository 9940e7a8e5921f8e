//! The state of one primary, as this process remembers it: a loss of its data, and its clock.

use std::time::{Duration, Instant};

use crate::clock::Timestamp;

use super::loss::SeenRun;

/// The state of a server as it was last reported.
pub(super) struct ServerState {
    /// The run of the server that was noted last, in the server and here.
    pub(super) seen: Option<SeenRun>,
    /// The loss that this process knows of.
    loss: Option<Timestamp>,
    /// End of the hold on claims; `None` while claims are taken.
    pub(super) held: Option<Instant>,
    /// The server's clock as last reported, and the moment of that report.
    clock: (Timestamp, Instant),
}

impl Default for ServerState {
    fn default() -> Self {
        Self { seen: None, loss: None, held: None, clock: (Timestamp::default(), Instant::now()) }
    }
}

impl ServerState {
    /// Notes the server's clock, as the server just reported it.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.clock = (now, Instant::now());
    }

    /// Returns the moment on the server's clock at which a command that is sent now has been given up, after
    /// `deadline`. The server's clock was at least at the noted time when the report arrived, so the result
    /// is never later than the real moment.
    pub(super) fn given_up_at(&self, deadline: Duration) -> Timestamp {
        let (then, heard) = self.clock;
        then.plus(heard.elapsed() + deadline)
    }

    /// Notes the loss that the server has suffered, if any. Tells whether it is another one than before.
    pub(super) fn is_new_loss(&mut self, lost: Option<Timestamp>) -> bool {
        std::mem::replace(&mut self.loss, lost) != lost && lost.is_some()
    }
}
