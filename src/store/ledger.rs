//! The protocol over a store: read, decide, write with a comparison, and decide again if another write came
//! in between. This is the only place where a [`Transition`](crate::protocol::Transition) meets a [`Store`].
//!
//! `claims` answers attempts, `steps` applies all other steps, and `sweep` writes the effects of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, State};

use super::dated::Dated;
use super::jumps::{ClockLimits, Jumps, RoundTrip, Uptime};
use super::replays::Replays;
use super::{
    Document, DocumentName, Filter, Page, Pending, Replaced, Snapshot, Stopped, Store, StoreError, Tally,
    UnknownFilter, UnknownPage, Woken,
};

mod claims;
mod quiet;
mod steps;
mod sweep;

use quiet::ShortestSpan;

pub use sweep::Swept;

/// A ledger: decides with the protocol and writes to a store. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    timeout: Duration,
    not_before: Option<Arc<NotBefore>>,
    replays: Option<Arc<Replays>>,
    lapses: Option<Arc<OnLapse>>,
    shortest_span: Option<Arc<ShortestSpan>>,
    pub(super) jumps: Option<Arc<Jumps>>,
}

/// A callback for each record that became unknown because its lease was over.
type OnLapse = dyn Fn(RecordId, &Record) + Send + Sync;

/// A time, by the store's clock, before which no execution may begin.
struct NotBefore {
    until: Timestamp,
    over: AtomicBool,
}

impl Ledger {
    /// Creates a ledger over `store` that waits at most `timeout` for each answer of the store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, timeout: Duration) -> Self {
        Self {
            store,
            timeout,
            not_before: None,
            replays: None,
            lapses: None,
            shortest_span: None,
            jumps: None,
        }
    }

    /// Returns the ledger with a replay cache of up to `bytes` for the last ten seconds in this process. A
    /// cached answer is given without asking the store.
    #[must_use]
    pub fn keeping_replays(self, bytes: u64) -> Self {
        Self { replays: Some(Arc::new(Replays::of(bytes))), ..self }
    }

    /// Returns the ledger with a start time: no execution begins before `moment` by the store's clock. This
    /// is for a store that may have forgotten running executions. Stored records are still answered.
    #[must_use]
    pub fn not_before(self, moment: Timestamp) -> Self {
        let not_before = NotBefore { until: moment, over: AtomicBool::new(false) };
        Self { not_before: Some(Arc::new(not_before)), ..self }
    }

    /// Returns the ledger with the callback `report`, which is called for each record that this ledger made
    /// unknown because its lease was over, for an attempt or in a sweep. In a fleet only the gateway that
    /// made the write calls it, so once for each record.
    #[must_use]
    pub fn reporting_lapses(self, report: impl Fn(RecordId, &Record) + Send + Sync + 'static) -> Self {
        Self { lapses: Some(Arc::new(report)), ..self }
    }

    /// Returns the ledger with `shortest_span`, which tells the shortest time from a write to a deadline that
    /// the routes in use have. With it, a sweeper looks at the store only when a record can be due.
    #[must_use]
    pub fn pausing_sweeps(self, shortest_span: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { shortest_span: Some(Arc::new(ShortestSpan::new(shortest_span))), ..self }
    }

    /// Returns the ledger with a check of the server's clock. If the clock jumps beyond `limits`, measured by
    /// this machine's `uptime`, no execution begins, and time is counted by the uptime.
    #[must_use]
    pub fn watching_clock(self, limits: ClockLimits, uptime: Uptime) -> Self {
        Self { jumps: Some(Arc::new(Jumps::new(limits, uptime))), ..self }
    }

    /// Lowers the limits for jumps of the clock, as far as these are lower. Returns false if the clock is not
    /// watched.
    pub fn lower_clock_limits(&self, limits: ClockLimits) -> bool {
        let Some(jumps) = &self.jumps else { return false };
        jumps.lower_limits(limits);
        true
    }

    /// Returns the judge of the store's clock, for code that uses the store beside this ledger.
    #[must_use]
    pub fn jumps(&self) -> Option<Arc<Jumps>> {
        self.jumps.clone()
    }

    /// Returns the reasons why no execution may begin now. The iterator is empty if one may.
    pub fn stopped(&self) -> impl Iterator<Item = Stopped> {
        let not_before =
            self.not_before.as_ref().filter(|not_before| !not_before.over.load(Ordering::Relaxed));
        let not_before = not_before.map(|_| Stopped::NotBefore);
        let clock = self.clock_has_jumped().then_some(Stopped::Clock);
        not_before.into_iter().chain(clock).chain(self.store.stopped())
    }

    fn clock_has_jumped(&self) -> bool {
        self.jumps.as_ref().is_some_and(|jumps| jumps.is_stopped())
    }

    /// Returns the text that explains a reason.
    #[must_use]
    pub fn why(&self, reason: Stopped) -> String {
        let jump = || self.jumps.as_ref().and_then(|jumps| jumps.message());
        match (&self.not_before, reason) {
            (Some(not_before), Stopped::NotBefore) => {
                format!("this gateway begins no execution before {}", not_before.until)
            }
            (_, Stopped::Clock) => jump().unwrap_or_else(|| reason.to_string()),
            _ => reason.to_string(),
        }
    }

    /// Returns the underlying store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns the present state of the operation, for a caller that does not want to run it.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn read(&self, id: RecordId) -> Result<Snapshot, StoreError> {
        let Snapshot { record, response, now } = self.read_raw(id).await?;
        let record = record.and_then(|record| record.at(now).map(std::borrow::Cow::into_owned));
        match record.as_ref().map(|record| record.state) {
            Some(State::Completed { response: reference, .. })
                if reference.retained && response.is_none() =>
            {
                Err(without_response(id))
            }
            _ => Ok(Snapshot { record, response, now }),
        }
    }

    /// Subscribes to a record; see [`Store::watch`].
    ///
    /// # Errors
    /// The errors of the store. The caller then has to ask again by itself.
    pub async fn watch(&self, id: RecordId) -> Result<Woken, StoreError> {
        self.answer(self.store.watch(id)).await
    }

    /// Returns some records, for lists.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn page(&self, filter: Filter, limit: usize) -> Result<Page, StoreError> {
        self.dated(self.store.page(filter, limit)).await
    }

    /// Lists records with an unknown outcome, the oldest first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn oldest_unknown(
        &self,
        filter: UnknownFilter,
        limit: usize,
    ) -> Result<UnknownPage, StoreError> {
        self.dated(self.store.oldest_unknown(filter, limit)).await
    }

    /// Counts the records with an unknown outcome.
    ///
    /// # Errors
    /// As the store's.
    pub async fn tally(&self) -> Result<Tally, StoreError> {
        self.dated(self.store.tally()).await
    }

    /// Mends the index of unknown records, as [`Store::mend_unknown`]. The timeout of the ledger does not
    /// apply, because this looks at every unknown record.
    ///
    /// # Errors
    /// As the store's; the next call begins again.
    pub async fn mend_unknown(&self) -> Result<u64, StoreError> {
        self.store.mend_unknown().await
    }

    /// Waits until the store could take a claim now.
    ///
    /// # Errors
    /// The reason why it could not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.answer(self.store.ready()).await
    }

    /// Returns a document that all gateways of the store share.
    ///
    /// # Errors
    /// As the store's.
    pub async fn document(&self, name: DocumentName) -> Result<Document, StoreError> {
        self.dated(self.store.document(name)).await
    }

    /// Replaces a document; see [`Store::replace_document`].
    ///
    /// # Errors
    /// As the store's.
    pub async fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Result<Replaced, StoreError> {
        self.answer(self.store.replace_document(name, expected, document)).await
    }

    /// Notes the span from the write of `record` to its deadline.
    fn note_span(&self, record: &Record) {
        if let Some(shortest) = &self.shortest_span {
            shortest.note(record.until_deadline());
        }
    }

    async fn read_raw(&self, id: RecordId) -> Result<Snapshot, StoreError> {
        self.dated(self.store.read(id)).await
    }

    /// Waits for an answer and corrects its time by the judged clock.
    async fn dated<T: Dated>(&self, pending: Pending<'_, T>) -> Result<T, StoreError> {
        let Some(jumps) = &self.jumps else {
            let mut answer = self.answer(pending).await?;
            answer.date(|now| {
                self.heard(now);
                now
            });
            return Ok(answer);
        };
        let sent = jumps.uptime();
        let mut answer = self.answer(pending).await?;
        let round_trip = RoundTrip { sent, received: jumps.uptime() };
        answer.date(|now| {
            let now = jumps.judge(now, round_trip);
            self.heard(now);
            now
        });
        Ok(answer)
    }

    /// Notes the store's clock.
    fn heard(&self, now: Timestamp) {
        if let Some(not_before) = &self.not_before
            && now >= not_before.until
        {
            not_before.over.store(true, Ordering::Relaxed);
        }
    }

    pub(super) async fn answer<T>(
        &self,
        pending: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(self.timeout, pending).await {
            Ok(answered) => answered,
            Err(_) => Err(StoreError::unclear(format!("no answer within {:?}", self.timeout))),
        }
    }
}

/// Returns the error for a stored response that is missing: it must not pass for an empty one.
fn without_response(id: RecordId) -> StoreError {
    StoreError::Unreadable { id, cause: "its response is missing".into() }
}
