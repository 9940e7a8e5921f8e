//! `memory:`, which has no settings: how it is opened, and what it may lose.

use std::fmt;
use std::future::ready;
use std::sync::Arc;

use crate::store::{ClockSource, ConnectionCheck, Loss, Opening, Store, StoreSettings, Terms};

use super::MemoryStore;

/// The store in the gateway's own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings;

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory:")
    }
}

impl StoreSettings for Settings {
    fn open(&self, _: Terms) -> Opening<'_, Arc<dyn Store>> {
        Box::pin(ready(Ok(Arc::new(MemoryStore::default()) as Arc<dyn Store>)))
    }

    fn check_connection(&self, _: Terms) -> Opening<'_, ConnectionCheck> {
        let answer = "in the gateway's own memory";
        Box::pin(ready(Ok(ConnectionCheck { answer, names: None, risks: Vec::new() })))
    }

    fn exists(&self) -> Option<bool> {
        Some(false)
    }

    fn clock(&self) -> ClockSource {
        ClockSource::Process
    }

    fn descriptors(&self, _: usize) -> usize {
        0
    }

    fn acknowledged(&self) -> &'static str {
        "NOT durable: they are kept in memory."
    }

    fn losses(&self) -> Vec<Loss> {
        let crash = "Everything, and every retry after it runs its operation again. store.url = \"embedded:DIR\" \
                     keeps what was acknowledged.";
        let failover = "There is none: gateways share nothing, and a retry that reaches another one runs its \
                        operation again. A store that gateways share narrows that.";
        vec![("end of the process", crash.into()), ("a failover", failover.into())]
    }

    fn warning(&self) -> Option<String> {
        let text = "memory: keeps nothing when the process ends; after a restart every retry runs its \
                    operation again, so it is for tests and demos";
        Some(text.into())
    }
}
