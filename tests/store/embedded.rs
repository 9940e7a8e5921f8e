//! The store `embedded:` under the contract, and under faults of the process and the disk.

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

/// The largest response of these tests, in bytes. Some tests run thousands of executions at once, and the
/// store reserves room for each.
const OUTCOME: u64 = 64 * 1024;

fn open() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(dir.path()).expect("a store").with_outcomes_of(OUTCOME);
    (Arc::new(store), dir)
}
