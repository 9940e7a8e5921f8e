//! Claims: an attempt asks to run, or to learn why it may not.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::protocol::{
    Claim, ClaimVerdict, Finding, Owner, Record, RecordId, Report, Standing, State, TakeOver,
    TakeOverVerdict, Transition, transition,
};

use super::super::jumps::RoundTrip;
use super::super::{Claimed, Decision, Snapshot, Stopped, StoreError};
use super::{Ledger, without_response};

impl Ledger {
    /// Makes an attempt's claim. A first attempt and a replay take one round trip. A response in the replay
    /// cache takes none.
    ///
    /// A claim without an answer is repeated once by the same owner, which wins again if it had won.
    ///
    /// # Errors
    /// [`StoreError::Unclear`] if it stays unknown whether the claim was written. The request must not be
    /// sent then, and the claim should be released once the store answers again.
    /// [`StoreError::Refused`] if an execution would begin and none may.
    pub async fn claim(&self, id: RecordId, claim: Claim) -> Result<Decision<ClaimVerdict>, StoreError> {
        match self.replayed(id, &claim)? {
            Some(decision) => Ok(decision),
            None => self.claim_from_store(id, claim).await,
        }
    }

    /// Returns the answer that the replay cache has for an attempt's claim, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the cached record has lost its response.
    pub fn replayed(
        &self,
        id: RecordId,
        claim: &Claim,
    ) -> Result<Option<Decision<ClaimVerdict>>, StoreError> {
        match self.replays.as_ref().and_then(|replays| replays.get(id)) {
            Some(found) => decide_without_writing(id, found, claim),
            None => Ok(None),
        }
    }

    /// Makes an attempt's claim in the store, as [`Ledger::claim`] does if the replay cache has no answer.
    ///
    /// # Errors
    /// As [`Ledger::claim`].
    pub async fn claim_from_store(
        &self,
        id: RecordId,
        claim: Claim,
    ) -> Result<Decision<ClaimVerdict>, StoreError> {
        let before = self.replays.as_ref().map(|replays| (replays, replays.before(id)));
        let decision = self.claim_uncached(id, claim).await?;
        if let Some((replays, before)) = before {
            replays.keep(id, &decision, before);
        }
        Ok(decision)
    }

    async fn claim_uncached(&self, id: RecordId, claim: Claim) -> Result<Decision<ClaimVerdict>, StoreError> {
        if self.begins_nothing().is_some()
            && let Some(decision) = Box::pin(self.claim_while_stopped(id, &claim)).await?
        {
            return Ok(decision);
        }
        let first = claim.first(Timestamp::default());
        self.note_span(&first);
        let asked = self.uptime();
        let found = match self.dated(self.store.claim(id, first.clone())).await {
            // The second answer says nothing about the first claim, unless it read that claim's record.
            Err(StoreError::Unclear(_)) => {
                let again = Record { revision: first.revision.for_repeated_claim(), ..first };
                let second = Box::pin(self.dated(self.store.claim(id, again))).await;
                let second = second.map_err(StoreError::or_unclear)?;
                self.judge_own(&second, claim.owner, asked);
                second
            }
            answered => answered?,
        };
        if self.clock_has_jumped() {
            return Box::pin(self.claimed_by_a_wrong_clock(id, &claim, found)).await;
        }
        match found {
            Claimed::Won(record) => {
                let now = record.updated_at;
                Ok(Decision { verdict: ClaimVerdict::Won(record), response: None, now })
            }
            Claimed::Found(found) => {
                let decided = Box::pin(self.decide(id, found.into(), &claim, None)).await;
                let decided = decided.and_then(|decision| present(id, decision));
                // A record was found, so a store that is silent now must not make the operation look new.
                decided.map_err(|error| match error {
                    StoreError::Unclear(_) => error,
                    error => error.or_refused(),
                })
            }
        }
    }

    /// Takes an operation over for another execution. The record is read anew, because a take-over may have
    /// to begin before a certain time.
    ///
    /// A take-over without an answer is repeated once by the same owner, which wins again if it had won.
    ///
    /// # Errors
    /// As [`Ledger::claim`].
    pub async fn take_over(
        &self,
        id: RecordId,
        step: TakeOver,
    ) -> Result<Decision<TakeOverVerdict>, StoreError> {
        if let Some(reason) = self.stopped().next() {
            return Err(StoreError::refused(self.why(reason)));
        }
        let decided = match self.apply(id, None, &step, None).await {
            Err(StoreError::Unclear(_)) => {
                Box::pin(self.apply(id, None, &step, None)).await.map_err(StoreError::or_unclear)?
            }
            answered => answered?,
        };
        match &decided.verdict {
            TakeOverVerdict::Won(record) if self.clock_has_jumped() => {
                let release = Report { owner: step.owner, n: record.state.n(), finding: Finding::Release };
                if let Err(error) = self.apply(id, Some(record), &release, None).await {
                    tracing::warn!(record = %id, "the operation stays claimed although no request was sent: {error}");
                }
                Err(StoreError::refused(self.why(Stopped::Clock)))
            }
            TakeOverVerdict::Won(_) | TakeOverVerdict::Lost(_) => Ok(decided),
        }
    }

    /// Returns the first reason for which the ledger itself lets no execution begin.
    fn begins_nothing(&self) -> Option<Stopped> {
        self.stopped().find(|reason| !reason.is_refused_by_store())
    }

    /// Answers a claim while no execution may begin. Returns `None` once one may.
    async fn claim_while_stopped(
        &self,
        id: RecordId,
        claim: &Claim,
    ) -> Result<Option<Decision<ClaimVerdict>>, StoreError> {
        // While the store is silent, it is not known whether the reason still holds.
        let found = self.read_raw(id).await.map_err(StoreError::or_refused)?;
        let Some(reason) = self.begins_nothing() else { return Ok(None) };
        let refused = || StoreError::refused(self.why(reason));
        decide_without_writing(id, found, claim)?.ok_or_else(refused).map(Some)
    }

    /// Judges the clock by the stamp of a claim of this owner that was made since `asked`, if its first
    /// answer was lost.
    fn judge_own(&self, found: &Claimed, own: Owner, asked: Duration) {
        if let (Some(jumps), Claimed::Found(found)) = (&self.jumps, found)
            && matches!(found.record.state, State::Running { owner, .. } if owner == own)
        {
            jumps.judge(found.record.updated_at, RoundTrip { sent: asked, received: jumps.uptime() });
        }
    }

    /// Answers a claim after its own answer showed that the clock has jumped. A claim that won is released,
    /// because the request was not sent.
    async fn claimed_by_a_wrong_clock(
        &self,
        id: RecordId,
        claim: &Claim,
        found: Claimed,
    ) -> Result<Decision<ClaimVerdict>, StoreError> {
        let refused = || StoreError::refused(self.why(Stopped::Clock));
        let record = match found {
            Claimed::Won(record) => record,
            Claimed::Found(found) => {
                match decide_without_writing(id, found.into(), claim)?.ok_or_else(refused)? {
                    // The claim had won, but its first answer was lost.
                    Decision { verdict: ClaimVerdict::Won(record), .. } => record,
                    report => return Ok(report),
                }
            }
        };
        let release = Report { owner: claim.owner, n: record.state.n(), finding: Finding::Release };
        let now = record.updated_at;
        let won = Snapshot { record: Some(record), response: None, now };
        if let Err(error) = self.decide(id, won, &release, None).await {
            tracing::warn!(record = %id, "the operation stays claimed although no request was sent: {error}");
        }
        Err(refused())
    }

    /// Returns how an attempt's claim would be answered, without claiming. Returns `None` if the claim would
    /// have to write, to run or to let a lease lapse.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn claim_without_writing(
        &self,
        id: RecordId,
        claim: &Claim,
    ) -> Result<Option<Decision<Standing>>, StoreError> {
        let report = decide_without_writing(id, self.read_raw(id).await?, claim)?;
        Ok(report.and_then(|Decision { verdict, response, now }| match verdict {
            ClaimVerdict::Won(_) => None,
            ClaimVerdict::NotWon(standing) => Some(Decision { verdict: standing, response, now }),
        }))
    }

    /// Releases any claim of `owner`: the clean-up after a claim that stayed unclear.
    ///
    /// # Errors
    /// The errors of the store. The call may be repeated.
    pub async fn abandon(&self, id: RecordId, owner: Owner) -> Result<(), StoreError> {
        // A claim that was given up may still be queued: absence is proof only after the queue has been
        // processed.
        self.ready().await?;
        let found = self.read_raw(id).await?;
        match found.record.as_ref().map(|record| record.state) {
            // Others may have declared its outcome unknown since.
            Some(State::Running { owner: holder, n, .. } | State::Unknown { owner: holder, n, .. })
                if holder == owner =>
            {
                let release = Report { owner, n, finding: Finding::Release };
                self.decide(id, found, &release, None).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn decide_without_writing(
    id: RecordId,
    found: Snapshot,
    claim: &Claim,
) -> Result<Option<Decision<ClaimVerdict>>, StoreError> {
    let Snapshot { record, response, now } = found;
    match transition(record.as_ref(), claim, now) {
        Transition::Unchanged(verdict) => present(id, Decision { verdict, response, now }).map(Some),
        Transition::Write(..) | Transition::Remove(_) => Ok(None),
    }
}

/// Returns the decision, or an error for a replay without its body, which must not pass for an empty one.
fn present(id: RecordId, decision: Decision<ClaimVerdict>) -> Result<Decision<ClaimVerdict>, StoreError> {
    match &decision.verdict {
        ClaimVerdict::NotWon(Standing::Replay(_, reference))
            if reference.retained && decision.response.is_none() =>
        {
            Err(without_response(id))
        }
        ClaimVerdict::Won(_) | ClaimVerdict::NotWon(_) => Ok(decision),
    }
}
