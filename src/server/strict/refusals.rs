//! The messages of a connection's reader to the service that answers its requests.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::refusal::Refusal;

/// The state that a connection's reader and its service share.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<SharedState>);

#[derive(Debug, Default)]
struct SharedState {
    refusal: OnceLock<Refusal>,
    /// The method and the path of the refused request.
    refused: OnceLock<(String, String)>,
    head_came: AtomicBool,
}

impl Refusals {
    /// Records that a whole head has come.
    pub(super) fn note_head(&self) {
        self.0.head_came.store(true, Relaxed);
    }

    /// Keeps the reason of a refusal, and the method and path of the request. A connection has one
    /// refusal at most, because nothing is read after it.
    pub(super) fn refuse(&self, refusal: Refusal, request: Option<(String, String)>) {
        let _ = self.0.refusal.set(refusal);
        if let Some(request) = request {
            let _ = self.0.refused.set(request);
        }
    }

    /// Returns the refusal, if the service is called with the replacement of a refused request.
    #[must_use]
    pub fn get(&self) -> Option<Refusal> {
        self.0.refusal.get().copied()
    }

    /// Returns the method and the path of the refused request, as far as they could be read.
    #[must_use]
    pub fn refused(&self) -> Option<(&str, &str)> {
        self.0.refused.get().map(|(method, path)| (&**method, &**path))
    }

    /// Tells whether a whole request head has come on this connection.
    #[must_use]
    pub fn had_head(&self) -> bool {
        self.0.head_came.load(Relaxed)
    }
}
