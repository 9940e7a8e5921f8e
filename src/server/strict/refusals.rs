//! What the reader of a connection tells those who answer its requests.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::head::Refusal;

/// Shared by a connection's reader and its service.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    refusal: OnceLock<Refusal>,
    /// The method and the path that were refused.
    refused: OnceLock<(String, String)>,
    asked: AtomicBool,
}

impl Refusals {
    /// A whole head has come.
    pub(super) fn ask(&self) {
        self.0.asked.store(true, Relaxed);
    }

    /// Keeps why a request is refused, and its method and path. It is the first of its connection, for
    /// nothing is read after it.
    pub(super) fn refuse(&self, refusal: Refusal, asked: Option<(String, String)>) {
        let _ = self.0.refusal.set(refusal);
        if let Some(asked) = asked {
            let _ = self.0.refused.set(asked);
        }
    }

    /// The refusal that the request which the service is called with stands for.
    #[must_use]
    pub fn get(&self) -> Option<Refusal> {
        self.0.refusal.get().copied()
    }

    /// The method and the path of the request that was refused, as far as they could be read.
    #[must_use]
    pub fn refused(&self) -> Option<(&str, &str)> {
        self.0.refused.get().map(|(method, path)| (&**method, &**path))
    }

    /// Whether a whole request head has come on this connection.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.0.asked.load(Relaxed)
    }
}
