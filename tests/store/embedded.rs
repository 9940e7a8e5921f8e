//! `embedded:` under the contract, and against what can happen to a process and its disk.

use std::sync::Arc;

use oncegate::store::Store;
use oncegate::store::embedded::EmbeddedStore;
use tempfile::TempDir;

mod child;
mod crash;
mod faults;
mod reopen;
mod torn;
mod unknown;

crate::contract::suite!(open());

/// The largest response of these tests, in bytes: thousands run at once in some, and the store keeps room for each.
const OUTCOME: u64 = 64 * 1024;

fn open() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(dir.path()).expect("a store").with_outcomes_of(OUTCOME);
    (Arc::new(store), dir)
}
