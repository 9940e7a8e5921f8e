//! `embedded:` under the contract.

use std::sync::Arc;

use oncegate::store::Store;
use oncegate::store::embedded::EmbeddedStore;
use tempfile::TempDir;

crate::contract::suite!(open());

fn open() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(dir.path()).expect("a store");
    (Arc::new(store), dir)
}
