//! Steps: decide with the protocol, write with a comparison, and decide again if another write came in
//! between.

use crate::clock::Timestamp;
use crate::protocol::notice;
use crate::protocol::{Record, RecordId, State, Step, StepKind, StoredResponse, Transition, transition};

use super::super::{Change, Claimed, Decision, Snapshot, StoreError, Swap, Written};
use super::Ledger;

/// Number of comparisons that a write may lose before the store is called unavailable. Only writers of the
/// same operation compete, and each of them moves it towards an end.
const MAX_CONFLICTS: usize = 16;

impl Ledger {
    /// Applies `step`, starting from `known` if the caller has a recent record. That is one round trip if
    /// the record did not change since. `response` is stored with a completion.
    ///
    /// # Errors
    /// The errors of the store. After [`StoreError::Unclear`] the same step may be applied again.
    pub async fn apply<S: Step>(
        &self,
        id: RecordId,
        known: Option<&Record>,
        step: &S,
        response: Option<&StoredResponse>,
    ) -> Result<Decision<S::Verdict>, StoreError> {
        if let Some(replays) = &self.replays {
            replays.forget(id);
        }
        let snapshot = match known {
            Some(known) => Snapshot { record: Some(known.clone()), response: None, now: known.updated_at },
            None => self.read_raw(id).await?,
        };
        let decided = self.decide(id, snapshot, step, response).await;
        if let Some(replays) = &self.replays {
            // An attempt may have cached, or be about to cache, the state that it read before this write.
            replays.forget(id);
        }
        decided
    }

    /// Applies `step` to exactly this record, as of `now`. Returns `None` if the record has changed: the
    /// caller has looked at something else that belongs to it, and has to look again.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn apply_to<S: Step>(
        &self,
        id: RecordId,
        record: &Record,
        now: Timestamp,
        step: &S,
        response: Option<&StoredResponse>,
    ) -> Result<Option<Decision<S::Verdict>>, StoreError> {
        let forget = || self.replays.as_ref().map(|replays| replays.forget(id));
        forget();
        let (written, verdict) = match transition(Some(record), step, now) {
            Transition::Unchanged(verdict) => return Ok(Some(Decision { verdict, response: None, now })),
            Transition::Remove(_) => return Ok(None),
            Transition::Write(written, verdict) => (written, verdict),
        };
        let notice = notice::of(step.kind(), Some(record), Some(&written));
        let change = Change::Write(Written { record: written, response: response.cloned(), notice });
        let swap = self.write(id, Some(record), change).await;
        forget();
        Ok(match swap? {
            Swap::Stored(Some(stored)) => {
                let now = stored.updated_at;
                Some(Decision { verdict: verdict(stored), response: None, now })
            }
            Swap::Stored(None) | Swap::Conflict(_) => None,
        })
    }

    /// Decides on the record in `found`, and writes the decision.
    pub(super) async fn decide<S: Step>(
        &self,
        id: RecordId,
        mut found: Snapshot,
        step: &S,
        response: Option<&StoredResponse>,
    ) -> Result<Decision<S::Verdict>, StoreError> {
        for _ in 0..MAX_CONFLICTS {
            let known = found.record.as_ref();
            found = match transition(known, step, found.now) {
                Transition::Unchanged(verdict) => {
                    return Ok(Decision { verdict, response: found.response, now: found.now });
                }
                Transition::Write(record, verdict) => {
                    let notice = notice::of(step.kind(), known, Some(&record));
                    let change = Change::Write(Written { record, response: response.cloned(), notice });
                    match self.write(id, known, change).await? {
                        Swap::Stored(Some(stored)) => {
                            self.report_lapse(id, step.kind(), &stored);
                            let now = stored.updated_at;
                            return Ok(Decision { verdict: verdict(stored), response: None, now });
                        }
                        Swap::Stored(None) => {
                            return Err(StoreError::Unclear(
                                "the store answered a write as a removal".into(),
                            ));
                        }
                        Swap::Conflict(current) => current,
                    }
                }
                Transition::Remove(verdict) => {
                    let change = Change::Remove(notice::of(step.kind(), known, None));
                    match self.write(id, known, change).await? {
                        Swap::Stored(_) => return Ok(Decision { verdict, response: None, now: found.now }),
                        Swap::Conflict(current) => current,
                    }
                }
            };
        }
        Err(StoreError::Unavailable("the record changed too often to be written".into()))
    }

    fn report_lapse(&self, id: RecordId, kind: StepKind, written: &Record) {
        let Some(report) = &self.lapses else { return };
        // With these two kinds of steps, only a lease that was over leads to an unknown record.
        if matches!(kind, StepKind::Claim | StepKind::Sweep) && matches!(written.state, State::Unknown { .. })
        {
            report(id, written);
        }
    }

    /// Writes over `known`, or creates the record where there was none.
    async fn write(&self, id: RecordId, known: Option<&Record>, change: Change) -> Result<Swap, StoreError> {
        if let Change::Write(Written { record, .. }) = &change {
            self.note_span(record);
        }
        let Some(known) = known else {
            let Change::Write(Written { record: first, .. }) = change else { return Ok(Swap::Stored(None)) };
            return Ok(match self.dated(self.store.claim(id, first)).await? {
                Claimed::Won(record) => Swap::Stored(Some(record)),
                Claimed::Found(found) => Swap::Conflict(found.into()),
            });
        };
        self.dated(self.store.compare_and_set(id, known.revision, change)).await
    }
}
