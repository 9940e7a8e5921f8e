//! The route table in use. Gateway, admin API and store read the same table, so that none of them uses an
//! outdated one.
//!
//! A table is replaced as a whole. A request that found its route keeps it to its end.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use crate::store::LongestTtl;

use super::RouteTable;

/// A handle to the route table in use. Clones share it.
#[derive(Clone)]
pub struct LiveRoutes(Arc<ArcSwap<RouteTable>>);

impl LiveRoutes {
    /// Puts a table to use.
    #[must_use]
    pub fn new(table: RouteTable) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(table)))
    }

    /// Returns the table in use, for one look at it. Do not keep the guard over an await: a later table may
    /// be in use by then.
    #[must_use]
    pub fn table(&self) -> Guard<Arc<RouteTable>> {
        self.0.load()
    }

    /// Puts another table in the place of the one in use.
    pub fn replace(&self, table: RouteTable) {
        self.0.store(Arc::new(table));
    }

    /// Returns a function that tells the longest ttl of the table in use.
    #[must_use]
    pub fn longest_ttl(&self) -> LongestTtl {
        let live = self.clone();
        Arc::new(move || live.table().longest_ttl())
    }

    /// Returns a function that tells the shortest time from a write to a deadline of the table in use.
    pub fn shortest_span(&self) -> impl Fn() -> Duration + Send + Sync + use<> {
        let live = self.clone();
        move || live.table().shortest_span()
    }
}
