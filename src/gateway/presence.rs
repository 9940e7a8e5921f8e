//! What a connection and the gateway tell each other of a request while it is answered: whether its client is
//! still there, and whether the connection may end without harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// What a connection shows of its client while a request is answered. Put into a request's extensions by
/// whatever accepts connections.
///
/// A client that has nothing more to send and one that is gone look alike: both end their side. The answer
/// is written in either case; this only says which of the two is likely.
#[derive(Clone, Debug, Default)]
pub struct Presence(Arc<AtomicBool>);

impl Presence {
    /// The client ended its side well after its request: it has most likely given up.
    pub fn leave(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether the client has most likely given up.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The requests of one connection for which nothing was claimed or sent yet. Put into a request's extensions by
/// whatever accepts connections, which may then end this one without harm.
#[derive(Clone, Debug, Default)]
pub struct Uncommitted(Arc<AtomicUsize>);

/// One of them, until this is dropped.
#[derive(Debug)]
pub(super) struct StillUncommitted(Uncommitted);

impl Uncommitted {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// One more.
    pub(super) fn begin(&self) -> StillUncommitted {
        self.0.fetch_add(1, Relaxed);
        StillUncommitted(self.clone())
    }
}

impl Drop for StillUncommitted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
