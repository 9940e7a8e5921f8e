//! A memory store that fails on demand.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use oncegate::clock::Clock;
use oncegate::protocol::{Record, RecordId, Revision};
use oncegate::store::memory::MemoryStore;
use oncegate::store::{
    Change, Claimed, Document, DocumentName, Due, Durability, Filter, Page, Pending, Replaced, Snapshot,
    Stopped, Store, StoreError, Swap, Tally, UnknownFilter, UnknownPage,
};

/// A fault of the store.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Every call fails with this error.
    Everything(StoreError),
    /// Every call that changes a record or a document fails with this error.
    Changes(StoreError),
    /// Every call stays without an answer.
    Silence,
}

/// A memory store that works until a fault is set.
pub struct FaultyStore {
    store: MemoryStore,
    fault: Mutex<Option<Fault>>,
    stopped: Mutex<Option<Stopped>>,
}

impl FaultyStore {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { store: MemoryStore::new(clock), fault: Mutex::default(), stopped: Mutex::default() }
    }

    pub fn fails_with(&self, fault: Fault) {
        *self.fault.lock().expect("no test panics here") = Some(fault);
    }

    /// Ends the fault.
    pub fn works(&self) {
        *self.fault.lock().expect("no test panics here") = None;
    }

    pub fn stop(&self, reason: Stopped) {
        *self.stopped.lock().expect("no test panics here") = Some(reason);
    }

    fn instead<T: Send + 'static>(&self, is_change: bool) -> Option<Pending<'_, T>> {
        match self.fault.lock().expect("no test panics here").clone()? {
            Fault::Changes(_) if !is_change => None,
            Fault::Everything(error) | Fault::Changes(error) => Some(Box::pin(ready(Err(error)))),
            Fault::Silence => Some(Box::pin(pending())),
        }
    }
}

impl Store for FaultyStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        self.instead(true).unwrap_or_else(|| self.store.claim(id, first))
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        self.instead(true).unwrap_or_else(|| self.store.compare_and_set(id, expected, change))
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        self.instead(false).unwrap_or_else(|| self.store.read(id))
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        self.instead(false).unwrap_or_else(|| self.store.page(filter, limit))
    }

    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage> {
        self.instead(false).unwrap_or_else(|| self.store.oldest_unknown(filter, limit))
    }

    fn tally(&self) -> Pending<'_, Tally> {
        self.instead(false).unwrap_or_else(|| self.store.tally())
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        self.instead(false).unwrap_or_else(|| self.store.due(limit))
    }

    fn document(&self, name: DocumentName) -> Pending<'_, Document> {
        self.instead(false).unwrap_or_else(|| self.store.document(name))
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced> {
        self.instead(true).unwrap_or_else(|| self.store.replace_document(name, expected, document))
    }

    fn accept_clock(&self) {
        *self.stopped.lock().expect("no test panics here") = None;
    }

    fn stopped(&self) -> Option<Stopped> {
        *self.stopped.lock().expect("no test panics here")
    }

    fn ready(&self) -> Pending<'_, ()> {
        self.instead(false).unwrap_or_else(|| self.store.ready())
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        self.store.broken()
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }
}
