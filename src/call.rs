//! The contract between the gateway and its inner service: the facts that a request and a response carry
//! beside HTTP.
//!
//! Any inner service answers with a response, or with a [`CallError`] that says whether the upstream can have
//! acted.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use http::{Request, Response};
use tower::util::BoxCloneSyncService;

use crate::protocol::{Reason, Sent};

/// A call that brought no usable response.
#[derive(Debug)]
pub struct CallError {
    /// Knowledge about whether the upstream can have acted.
    pub sent: Sent,
    /// The reason of the failure, for the record and the log.
    pub reason: Reason,
    /// The cause, for the log only.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sent {
            Sent::Never => write!(f, "nothing was sent to the upstream: {}", self.reason),
            Sent::Maybe => write!(f, "sent, but no usable answer came: {}", self.reason),
        }
    }
}

impl From<Infallible> for CallError {
    /// Lets a service that never fails be the inner service.
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// The inner service, with its type erased.
pub type Upstream = BoxCloneSyncService<Request<Body>, Response<Body>, CallError>;

/// The part of a call that the upstream's response timeout limits. The inner service finds it in the
/// request's extensions. Without it, the timeout limits the whole call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallLimit {
    /// The call as a whole, to the last byte of the response, because an execution has to end. The limit no
    /// longer holds once its [`Deadline`] is lifted.
    Whole,
    /// Each wait for progress, because a request without protection may have any size. Such requests have
    /// connections of their own, so that they cannot harm an execution by their effect on a connection.
    Silence,
}

/// A check, found in a request's extensions, whether the request may still be sent. The inner service makes
/// it once there is a connection, just before the first byte is written. An execution's lease may be over by
/// then.
#[derive(Clone)]
pub struct MaySend(Arc<dyn Fn() -> bool + Send + Sync>);

impl MaySend {
    /// Makes a check that allows sending while `holds` returns true.
    #[must_use]
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Tells whether the request may be sent now.
    #[must_use]
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

/// Deadline of a call as a whole, found in the extensions of its response. The gateway lifts it when it decides to pass
/// the response on without keeping it. From then on only silence ends the response. Clones share one
/// deadline.
#[derive(Clone, Debug, Default)]
pub struct Deadline(Arc<AtomicBool>);

impl Deadline {
    /// Allows the response to take any time.
    pub fn lift(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the response may take any time.
    #[must_use]
    pub fn is_lifted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Mark in the extensions of a response: its status and its length are known, but its head cannot be passed
/// on. Such a response has no headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable;
