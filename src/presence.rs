//! Facts that a connection and the gateway share about a request while it is answered: whether its client is
//! still there, and whether the connection may end without harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The facts that a connection and the gateway share. The acceptor of the connection puts them into the
/// extensions of its requests.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFacts {
    /// Client presence. On a connection that does not observe it, the client counts as present.
    pub presence: Presence,
    /// Counts of the requests that are being answered.
    pub open_requests: OpenRequests,
}

/// Client presence, as a connection sees it while a request is answered.
///
/// A client that has nothing more to send and a client that is gone look alike: both end their side. The
/// response is written in either case. The presence only says which of the two is likely.
#[derive(Clone, Debug, Default)]
pub struct Presence(Arc<AtomicBool>);

impl Presence {
    /// Notes that the client ended its side well after its request, and so has most likely given up.
    pub fn leave(&self) {
        self.0.store(true, Relaxed);
    }

    /// Tells whether the client has most likely given up.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Counts of the requests on one connection, by what would be lost with the connection. The acceptor of the
/// connection reads them when it has to choose a connection to end.
#[derive(Clone, Debug, Default)]
pub struct OpenRequests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    uncommitted: AtomicUsize,
    protected: AtomicUsize,
}

/// A guard that keeps one more request counted until it is dropped.
#[derive(Debug)]
pub struct OpenRequestGuard(OpenRequests, fn(&Counts) -> &AtomicUsize);

impl OpenRequests {
    /// Returns the number of requests for which nothing was claimed or sent yet. Ending the connection loses
    /// nothing.
    #[must_use]
    pub fn uncommitted(&self) -> usize {
        self.0.uncommitted.load(Relaxed)
    }

    /// Returns the number of requests that a key protects, uncommitted ones included. If the connection ends,
    /// their executions go on, and a retry is told the outcome.
    #[must_use]
    pub fn protected(&self) -> usize {
        self.0.protected.load(Relaxed)
    }

    /// Counts a request as uncommitted until the returned guard is dropped.
    pub fn begin_uncommitted(&self) -> OpenRequestGuard {
        self.begin(|counts| &counts.uncommitted)
    }

    /// Counts a request as protected until the returned guard is dropped.
    pub fn begin_protected(&self) -> OpenRequestGuard {
        self.begin(|counts| &counts.protected)
    }

    fn begin(&self, of: fn(&Counts) -> &AtomicUsize) -> OpenRequestGuard {
        of(&self.0).fetch_add(1, Relaxed);
        OpenRequestGuard(self.clone(), of)
    }
}

impl Drop for OpenRequestGuard {
    fn drop(&mut self) {
        (self.1)(&self.0.0).fetch_sub(1, Relaxed);
    }
}
