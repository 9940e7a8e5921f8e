//! The contract between the gateway and its inner service: what a request and an answer carry beside HTTP.
//!
//! Any inner service answers with a response, or with a [`CallError`] that says whether the upstream can have acted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::protocol::{Reason, Sent};

/// A call that brought no usable response.
#[derive(Debug)]
pub struct CallError {
    /// Whether the upstream can have acted.
    pub sent: Sent,
    /// What went wrong, for the record and the log.
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

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// What the response timeout of an upstream limits. Put into a request's extensions, it tells the
/// inner service which; without it, everything together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallLimit {
    /// The call as a whole, to the last byte of the answer: an execution has to end. It no longer holds once its
    /// [`Deadline`] is lifted.
    Whole,
    /// Each wait for progress: a request without protection may be of any size. Such requests have connections of
    /// their own, so that nothing they do to a connection can harm an execution.
    Silence,
}

/// Whether a request may still be sent, found in its extensions: asked when there is a connection for it, just
/// before its first byte is written. An execution's lease may be over by then.
#[derive(Clone)]
pub struct MaySend(Arc<dyn Fn() -> bool + Send + Sync>);

impl MaySend {
    /// It may while `holds` says so.
    #[must_use]
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Whether it may be sent now.
    #[must_use]
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

/// Deadline of a call, found in the extensions of its answer. The gateway lifts it when it decides to pass the answer
/// on without keeping it. From then on only a silence ends the answer. Clones share one deadline.
#[derive(Clone, Debug, Default)]
pub struct Deadline(Arc<AtomicBool>);

impl Deadline {
    /// Allows the answer to take any time.
    pub fn lift(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the answer may take any time.
    #[must_use]
    pub fn is_lifted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Mark in the extensions of an answer: its status and its length are known, but its head cannot be passed on. Such an
/// answer has no headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable;
