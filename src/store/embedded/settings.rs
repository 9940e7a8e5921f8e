//! The settings of an embedded store: how it is opened and checked, what it guarantees, and what it may lose.

use std::fmt;
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

use crate::descriptors;
use crate::store::{self, ClockSource, ConnectionCheck, Loss, Opening, Store, StoreSettings, Terms};

use super::directory::MARKER;
use super::{DirectoryState, EmbeddedStore, OpenError};

/// Journals of the store, its lock, and tables that are being written.
const WRITES: usize = 32;

/// The settings of an embedded store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The directory, which only one gateway uses at a time.
    pub directory: PathBuf,
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "embedded:{}", self.directory.display())
    }
}

impl Settings {
    fn opened(&self, terms: &Terms) -> Result<Arc<dyn Store>, store::OpenError> {
        let store = EmbeddedStore::open_within(&self.directory, terms.clock)?;
        Ok(Arc::new(store.with_outcomes_of(terms.largest_response)))
    }

    fn checked(&self) -> Result<ConnectionCheck, store::OpenError> {
        let answer = match EmbeddedStore::check(&self.directory)? {
            DirectoryState::Absent => "there is none yet, a start makes it",
            DirectoryState::InUse => "in use by a running gateway",
            DirectoryState::There => "is there, and in use by no gateway",
        };
        Ok(ConnectionCheck { answer, names: None, risks: Vec::new() })
    }
}

impl StoreSettings for Settings {
    fn open(&self, terms: Terms) -> Opening<'_, Arc<dyn Store>> {
        Box::pin(async move { self.opened(&terms) })
    }

    fn check_connection(&self, _: Terms) -> Opening<'_, ConnectionCheck> {
        Box::pin(ready(self.checked()))
    }

    /// Returns the key alone: errors of this store name the directory.
    fn key(&self) -> String {
        "store.url".into()
    }

    fn place(&self) -> String {
        let whole = self.directory.canonicalize().unwrap_or_else(|_| self.directory.clone());
        format!("embedded:{}", whole.display())
    }

    fn exists(&self) -> Option<bool> {
        Some(self.directory.join(MARKER).exists())
    }

    fn clock(&self) -> ClockSource {
        ClockSource::Machine
    }

    fn descriptors(&self, limit: usize) -> usize {
        descriptors::of_store(limit) + WRITES
    }

    fn acknowledged(&self) -> &'static str {
        "they are synced to disk first."
    }

    fn losses(&self) -> Vec<Loss> {
        let crash = "Nothing that was acknowledged: claims and responses survive a crash of the gateway and of the \
                     machine, not the loss of the disk. A disk that fails to sync ends the gateway.";
        let failover = "There is none: one gateway process at a time. An operator who starts another one on a \
                        copy of the directory has lost what came after the copy; a volume that is replicated before it \
                        acknowledges a sync narrows that, and so does a store that gateways share.";
        let full = "Nothing: no operation begins unless the outcomes of all that run fit on it. If others fill it all \
                    the same, the gateway ends, and what was acknowledged is there at the next start.";
        vec![("a crash", crash.into()), ("a failover", failover.into()), ("a full disk", full.into())]
    }
}

impl From<OpenError> for store::OpenError {
    fn from(error: OpenError) -> Self {
        let may_pass = error.may_pass();
        Self::new(store::Cause::of(error.to_string(), error), may_pass)
    }
}
