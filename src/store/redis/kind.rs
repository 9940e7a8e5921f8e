//! Redis as one of the stores: how it is opened and checked, what it guarantees, and what it may lose.

use std::sync::Arc;

use crate::store::{ClockSource, ConnectionCheck, Loss, Opening, Store, StoreSettings, Terms};

use super::settings::Settings;
use super::{RedisStore, losses};

/// Connections to all servers together, at most.
const CONNECTIONS: usize = 64;

impl StoreSettings for Settings {
    fn open(&self, terms: Terms) -> Opening<'_, Arc<dyn Store>> {
        Box::pin(async move {
            let store = RedisStore::open(self.clone(), terms).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        })
    }

    fn check_connection(&self, terms: Terms) -> Opening<'_, ConnectionCheck> {
        Box::pin(async move {
            let (names, risks) = RedisStore::check(self.clone(), terms).await?;
            Ok(ConnectionCheck { answer: "answers", names: Some(names), risks })
        })
    }

    /// Returns false: Redis would have to walk through its keys.
    fn lists_cheaply(&self) -> bool {
        false
    }

    fn clock(&self) -> ClockSource {
        ClockSource::Server
    }

    fn descriptors(&self, _: usize) -> usize {
        CONNECTIONS
    }

    fn acknowledged(&self) -> &'static str {
        "they are kept as Redis keeps them."
    }

    fn losses(&self) -> Vec<Loss> {
        losses::of(self)
    }
}
