//! A store that measures another one: the duration and the failures of every primitive.
//!
//! A call that is dropped before it is answered, because its deadline passed or its caller went away, counts
//! as failed with the time until then, because the slowest calls are the important ones. `ready` is not
//! measured, because probes call it and not requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;

use crate::protocol::{Record, RecordId, Revision};
use crate::store::{
    Change, Claimed, Document, DocumentName, Due, Durability, Filter, Page, Pending, Replaced, Snapshot,
    Stopped, Store, StoreError, Swap, Tally, UnknownFilter, UnknownPage, Woken,
};

use super::Metrics;
use super::store_calls::StoreCalls;

/// A wrapper that measures a store and changes nothing else.
pub struct MeteredStore {
    store: Arc<dyn Store>,
    metrics: Metrics,
    /// The counters of the primitives that each request calls. Looking them up takes longer than counting.
    claims: OnceLock<StoreCalls>,
    writes: OnceLock<StoreCalls>,
    reads: OnceLock<StoreCalls>,
}

impl MeteredStore {
    /// Wraps `store`, measured into `metrics`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, metrics: Metrics) -> Self {
        let (claims, writes, reads) = Default::default();
        Self { store, metrics, claims, writes, reads }
    }

    /// Measures a call of a primitive that few requests need.
    fn measure<'a, T: 'a>(
        &'a self,
        op: &'static str,
        call: impl FnOnce(&'a dyn Store) -> Pending<'a, T> + Send + 'a,
    ) -> Pending<'a, T> {
        self.measured(self.metrics.store_calls(op), call)
    }

    fn measured<'a, T: 'a>(
        &'a self,
        calls: StoreCalls,
        call: impl FnOnce(&'a dyn Store) -> Pending<'a, T> + Send + 'a,
    ) -> Pending<'a, T> {
        Box::pin(async move {
            let mut measured = Measured { calls, started: Instant::now(), failed: true };
            let answer = call(&*self.store).await;
            if let Err(StoreError::Unreadable { .. }) = answer {
                self.metrics.unreadable_record();
            }
            measured.failed = answer.is_err();
            answer
        })
    }

    fn calls(&self, kept: &OnceLock<StoreCalls>, op: &'static str) -> StoreCalls {
        kept.get_or_init(|| self.metrics.store_calls(op)).clone()
    }
}

impl Store for MeteredStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        self.measured(self.calls(&self.claims, "claim"), move |store| store.claim(id, first))
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        let calls = self.calls(&self.writes, "compare_and_set");
        self.measured(calls, move |store| store.compare_and_set(id, expected, change))
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        self.measured(self.calls(&self.reads, "read"), move |store| store.read(id))
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        self.measure("page", move |store| store.page(filter, limit))
    }

    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage> {
        self.measure("oldest_unknown", move |store| store.oldest_unknown(filter, limit))
    }

    fn tally(&self) -> Pending<'_, Tally> {
        self.measure("tally", move |store| store.tally())
    }

    // Its duration is that of its pauses, so it is not measured.
    fn mend_unknown(&self) -> Pending<'_, u64> {
        self.store.mend_unknown()
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        self.measure("due", move |store| store.due(limit))
    }

    fn watch(&self, id: RecordId) -> Pending<'_, Woken> {
        self.measure("watch", move |store| store.watch(id))
    }

    fn document(&self, name: DocumentName) -> Pending<'_, Document> {
        let op = match name {
            DocumentName::Names => "names",
            DocumentName::Clock => "clock",
            DocumentName::Notifier => "notifier",
            DocumentName::Notified(_) => "notified",
        };
        self.measure(op, move |store| store.document(name))
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced> {
        let op = match name {
            DocumentName::Names => "replace_names",
            DocumentName::Clock => "replace_clock",
            DocumentName::Notifier => "replace_notifier",
            DocumentName::Notified(_) => "replace_notified",
        };
        self.measure(op, move |store| store.replace_document(name, expected, document))
    }

    fn accept_clock(&self) {
        self.store.accept_clock();
    }

    fn keep_room_for(&self, largest: u64) {
        self.store.keep_room_for(largest);
    }

    fn stopped(&self) -> Option<Stopped> {
        self.store.stopped()
    }

    fn ready(&self) -> Pending<'_, ()> {
        self.store.ready()
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        self.store.broken()
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }
}

/// A call that is counted when it ends: answered or dropped.
struct Measured {
    calls: StoreCalls,
    started: Instant,
    failed: bool,
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.calls.count(self.started.elapsed(), self.failed);
    }
}
