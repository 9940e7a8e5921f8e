//! The store `memory:` under the contract.

use std::sync::Arc;

use oncegate::clock::{SteadyClock, Timestamp};
use oncegate::store::Store;
use oncegate::store::memory::MemoryStore;

crate::contract::suite!(open());

fn open() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new(Arc::new(SteadyClock::starting(Timestamp(0))))), ())
}
