//! Settling unknown outcomes by evidence: the one place that asks whether an unknown execution acted.
//!
//! Four callers ask here, and none of them knows a witness:
//!
//! 1. An attempt that meets an unknown outcome ([`Settler::settle`]).
//! 2. The background ([`background`]), for outcomes that no attempt asks for.
//! 3. An owner with a late completion ([`Settler::may_complete`]), or with an answer that its route lists as a
//!    release ([`Settler::settle_answered`]).
//! 4. An operator who decides that an operation was not executed ([`Settler::fence`]).
//!
//! The record's policy decides, not the route's: the promise of the first attempt counts. The route of the
//! record brings the settings of the witness. If it has another policy by now, there is no witness here, and
//! the outcome is held.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{debug, info, warn};

use crate::clock::Timestamp;
use crate::config::Route;
use crate::protocol::{
    Evidence, Key, OnUnknown, Owner, Record, RecordId, RequestParts, ResponseRef, Settle, SettleVerdict,
    State, StoredResponse,
};
use crate::store::{Ledger, StoreError};
use crate::telemetry::Metrics;

mod asking;
pub mod background;
mod kept;
pub mod marker;
mod probe;
mod settlement;
mod witness;
mod witnesses;

pub use kept::{Keeper, Kept, KeptRequest, LARGEST_REQUEST};
pub use settlement::Settlement;
pub use witness::{Admission, Case, Fence, Testimony, Witness, WitnessFuture};
pub use witnesses::Witnesses;

use self::asking::Asking;

/// The part that asks witnesses and records their answers. One serves a whole process. Cheap to clone.
#[derive(Clone)]
pub struct Settler {
    ledger: Ledger,
    metrics: Metrics,
    sources: Arc<ArcSwap<Sources>>,
    asking: Asking,
    new_owner: fn() -> Owner,
}

/// The parts that follow from the configuration, replaced together.
struct Sources {
    keeper: Keeper,
    witnesses: Witnesses,
}

impl Settler {
    /// Creates a settler that records in `ledger`. `new_owner` names the responses that witnesses bring.
    #[must_use]
    pub fn new(ledger: Ledger, metrics: Metrics, keeper: Keeper, new_owner: fn() -> Owner) -> Self {
        let sources = Sources { keeper, witnesses: Witnesses::default() };
        let sources = Arc::new(ArcSwap::from_pointee(sources));
        Self { ledger, metrics, sources, asking: Asking::default(), new_owner }
    }

    /// Keeps requests with this keeper and asks these witnesses from now on, in all clones. A question under
    /// way goes on with its witness.
    pub fn consult(&self, keeper: Keeper, witnesses: Witnesses) {
        self.sources.store(Arc::new(Sources { keeper, witnesses }));
    }

    fn witness(&self, record: &Record) -> Option<Arc<dyn Witness>> {
        self.sources.load().witnesses.of(record)
    }

    /// Returns what a route keeps of a request until its operation is settled.
    #[must_use]
    pub fn keep(
        &self,
        id: RecordId,
        route: &Route,
        key: &Key,
        request: RequestParts<'_>,
    ) -> Option<Arc<[u8]>> {
        self.sources.load().keeper.keep(id, route, key, request)
    }

    /// Returns the request that was kept with a record.
    #[must_use]
    pub fn kept_request(&self, id: RecordId, record: &Record) -> Option<KeptRequest> {
        self.sources.load().keeper.read(id, record.kept.as_deref()).request
    }

    /// Tells whether `request` has the bytes of the first attempt, so that it may be sent in its place.
    #[must_use]
    pub fn may_send(&self, id: RecordId, record: &Record, request: RequestParts<'_>) -> bool {
        self.sources.load().keeper.is_same(id, record.kept.as_deref(), request)
    }

    /// Tells whether the evidence about a record is where `route` has it now. Under `retry`, that is the
    /// upstream, which has to recognise the key.
    #[must_use]
    pub fn is_evidence_at(record: &Record, route: &Route) -> bool {
        Keeper::has_source(record.kept.as_deref(), route.evidence)
    }

    /// Asks what became of the unknown execution of a record, and records the answer. `now` is the store's
    /// clock.
    ///
    /// Nothing is asked before the execution's deadline: until then its call may be under way. If the store
    /// does not take the answer, the outcome stays unknown.
    pub async fn settle(&self, id: RecordId, record: &Record, now: Timestamp) -> Settlement {
        let State::Unknown { quiet_at, .. } = record.state else { return Settlement::Changed };
        if !self.may_settle(record, now) {
            return Settlement::Unknown;
        }
        match record.policy.on_unknown {
            OnUnknown::Retry { .. } => Settlement::MayRunAgain,
            _ if now < quiet_at => Settlement::Unknown,
            _ => {
                let ask = async {
                    self.ask(id, record, now).await.unwrap_or_else(|error| {
                        warn!(record = %id, "the outcome stays unknown: {error}");
                        Settlement::Unknown
                    })
                };
                self.asking.once(id, record.revision, Box::pin(ask)).await
            }
        }
    }

    /// Tells whether an unknown outcome may be decided without an operator at `now`. Evidence counts only if
    /// there is a witness for it here, and if the record has the parts of the request that it needs.
    #[must_use]
    pub fn may_settle(&self, record: &Record, now: Timestamp) -> bool {
        let has_witness = !record.policy.on_unknown.has_evidence() || self.witness(record).is_some();
        has_witness && has_request(record) && record.may_be_settled(now)
    }

    /// Settles execution `n` of `owner`, which sent nothing or has got an answer that its route lists as a
    /// release. The deadline does not matter: the call is over. Returns true if it is now certain that the
    /// execution did not act.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it.
    pub async fn settle_answered(&self, id: RecordId, owner: Owner, n: u32) -> Result<bool, StoreError> {
        let found = self.ledger.read(id).await?;
        let Some(record) = found.record else { return Ok(false) };
        if !matches!(record.state, State::Unknown { owner: holder, n: last, .. } if (holder, last) == (owner, n))
        {
            return Ok(false);
        }
        Ok(match self.ask(id, &record, found.now).await? {
            Settlement::Decided(record) => matches!(record.state, State::Cleared { undecided: false, .. }),
            Settlement::Unknown | Settlement::Changed | Settlement::MayRunAgain => false,
        })
    }

    async fn ask(&self, id: RecordId, record: &Record, now: Timestamp) -> Result<Settlement, StoreError> {
        let Some(witness) = self.witness(record) else { return Ok(Settlement::Unknown) };
        let n = record.state.n();
        let response = match witness.ask(Case { id, record, n, now }).await {
            Testimony::Undecided(why) => {
                debug!(record = %id, execution = n, "the outcome stays unknown: {why}");
                self.metrics.asked(&record.route, "undecided");
                return Ok(Settlement::Unknown);
            }
            Testimony::NotExecuted { fenced } => {
                self.metrics.asked(&record.route, "not-executed");
                return self.write(id, record, now, Evidence::NotExecuted { fenced }, None).await;
            }
            Testimony::Executed(response) => response,
        };
        self.metrics.asked(&record.route, "executed");
        let reference = response.as_ref().map(|response| ResponseRef::stored((self.new_owner)(), response));
        self.write(id, record, now, Evidence::Executed(reference), response.as_ref()).await
    }

    async fn write(
        &self,
        id: RecordId,
        unknown: &Record,
        now: Timestamp,
        evidence: Evidence,
        response: Option<&StoredResponse>,
    ) -> Result<Settlement, StoreError> {
        let State::Unknown { owner, n, .. } = unknown.state else { return Ok(Settlement::Changed) };
        let settle = Settle { owner, n, evidence };
        let decided = self.ledger.apply_to(id, unknown, now, &settle, response).await?;
        match decided.map(|decision| decision.verdict) {
            None | Some(SettleVerdict::Lost(_)) => Ok(Settlement::Changed),
            Some(SettleVerdict::Settled(record)) => {
                let took = record.updated_at.since(unknown.updated_at);
                self.report(id, &record, evidence, took);
                Ok(Settlement::Decided(Arc::new(record)))
            }
        }
    }

    fn report(&self, id: RecordId, record: &Record, evidence: Evidence, took: Duration) {
        let (by, outcome) = (by(record.policy.on_unknown), name(evidence));
        self.metrics.settled(&record.route, by, outcome, took);
        info!(
            record = %id, route = %record.route, execution = record.state.n(), by, outcome,
            unknown_for_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            labels = record.labels.shown().map(tracing::field::display),
            "the unknown outcome is settled"
        );
    }

    /// Tells whether execution `n` may still complete, although its lease is over or its record has moved on.
    pub async fn may_complete(&self, id: RecordId, record: &Record, n: u32) -> Admission {
        let now = record.updated_at;
        match self.witness(record) {
            Some(witness) => witness.may_complete(Case { id, record, n, now }).await,
            // A fence may be closed, and no table to look it up is known here.
            None if record.policy.on_unknown == OnUnknown::Marker => Admission::Fenced,
            None => Admission::Admitted,
        }
    }

    /// Fences the unknown execution of a record before an operator declares it not executed.
    pub async fn fence(&self, id: RecordId, record: &Record, now: Timestamp) -> Fence {
        match self.witness(record) {
            Some(witness) => witness.fence(Case { id, record, n: record.state.n(), now }).await,
            None if record.policy.on_unknown == OnUnknown::Marker => {
                Fence::Unanswered("no route of this gateway has the marker table of this record".into())
            }
            None => Fence::Absent,
        }
    }
}

/// Returns the name of a policy in metrics and logs, as the source of a decision.
#[must_use]
pub fn by(policy: OnUnknown) -> &'static str {
    match policy {
        OnUnknown::Hold => "hold",
        OnUnknown::Retry { .. } => "retry",
        OnUnknown::Probe => "probe",
        OnUnknown::Marker => "marker",
    }
}

fn name(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Executed(_) => "executed",
        Evidence::NotExecuted { .. } => "not-executed",
    }
}

/// Tells whether a record has the parts of the request that its policy needs. An operator's decision drops
/// them, and taking the decision back does not bring them again: that outcome waits for an operator.
fn has_request(record: &Record) -> bool {
    match record.policy.on_unknown {
        OnUnknown::Hold | OnUnknown::Marker => true,
        OnUnknown::Retry { .. } | OnUnknown::Probe => record.kept.is_some(),
    }
}

#[cfg(test)]
mod tests;
