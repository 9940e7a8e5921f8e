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

/// What would be lost with a connection, of the requests that are being answered on it. Put into a request's
/// extensions by whatever accepts connections, which may have to choose one that ends.
#[derive(Clone, Debug, Default)]
pub struct Stakes(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    uncommitted: AtomicUsize,
    protected: AtomicUsize,
}

/// That something holds of one more request, until this is dropped.
#[derive(Debug)]
pub struct Counted(Stakes, fn(&Counts) -> &AtomicUsize);

impl Stakes {
    /// The requests for which nothing was claimed or sent yet: nothing would be lost.
    #[must_use]
    pub fn uncommitted(&self) -> usize {
        self.0.uncommitted.load(Relaxed)
    }

    /// The requests that a key protects, the former among them: what runs goes on, and a retry is told what came of it.
    #[must_use]
    pub fn protected(&self) -> usize {
        self.0.protected.load(Relaxed)
    }

    /// One more of the former.
    pub fn begin_uncommitted(&self) -> Counted {
        self.begin(|counts| &counts.uncommitted)
    }

    /// One more of the latter.
    pub fn begin_protected(&self) -> Counted {
        self.begin(|counts| &counts.protected)
    }

    fn begin(&self, of: fn(&Counts) -> &AtomicUsize) -> Counted {
        of(&self.0).fetch_add(1, Relaxed);
        Counted(self.clone(), of)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0.0).fetch_sub(1, Relaxed);
    }
}
