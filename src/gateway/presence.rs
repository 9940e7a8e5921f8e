//! Whether the client of a request is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
