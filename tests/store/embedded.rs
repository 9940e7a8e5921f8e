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

crate::contract::suite!(open());

fn open() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(dir.path()).expect("a store");
    (Arc::new(store), dir)
}
