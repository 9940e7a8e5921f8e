//! The protocol over a store: read, decide, write with a comparison, and decide again if another write came
//! in between. This is the only place where a [`Transition`] meets a [`Store`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::protocol::notice;
use crate::protocol::{
    Claim, ClaimVerdict, Finding, Owner, Record, RecordId, Report, Standing, State, Step, StepKind,
    StoredResponse, Sweep, SweepVerdict, Transition, transition,
};

use super::dated::Dated;
use super::decision::Decision;
use super::jumps::{ClockLimits, Jumps, RoundTrip, Uptime};
use super::replays::Replays;
use super::{
    Cause, Change, Claimed, Filter, Page, Pending, Snapshot, Stopped, Store, StoreError, Swap, Tally,
    UnknownFilter, UnknownPage, Woken, Written,
};

/// Number of comparisons that a write may lose before the store is called unavailable. Only writers of the
/// same operation compete, and each of them moves it towards an end.
const MAX_CONFLICTS: usize = 16;

/// Number of due records that one sweep step takes.
const SWEEP_BATCH: usize = 256;
/// Number of swept records written at once: no claim waits behind more.
const SWEPT_TOGETHER: usize = 32;

/// A ledger: decides with the protocol and writes to a store. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    timeout: Duration,
    not_before: Option<Arc<NotBefore>>,
    replays: Option<Arc<Replays>>,
    lapses: Option<Arc<OnLapse>>,
    pub(super) jumps: Option<Arc<Jumps>>,
}

/// A callback for each record that became unknown because its lease was over.
type OnLapse = dyn Fn(RecordId, &Record) + Send + Sync;

/// A time, by the store's clock, before which no execution may begin.
struct NotBefore {
    until: Timestamp,
    over: AtomicBool,
}

/// The result of one sweep step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Leases that lapsed into an unknown outcome.
    pub lapsed: usize,
    /// Outcomes that became tombstones.
    pub retired: usize,
    /// Tombstones that ended.
    pub forgotten: usize,
    /// True if more records may be due right now.
    pub more: bool,
}

impl Swept {
    fn count(&mut self, verdict: &SweepVerdict) {
        match verdict {
            SweepVerdict::Lapsed(_) => self.lapsed += 1,
            SweepVerdict::Retired(_) => self.retired += 1,
            SweepVerdict::Forgotten => self.forgotten += 1,
            SweepVerdict::Nothing => {}
        }
    }
}

impl Ledger {
    /// Creates a ledger over `store` that waits at most `timeout` for each answer of the store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, timeout: Duration) -> Self {
        Self { store, timeout, not_before: None, replays: None, lapses: None, jumps: None }
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

    /// Returns the ledger with a check of the server's clock. If the clock jumps beyond `limits`, measured by
    /// this machine's `uptime`, no execution begins, and time is counted by the uptime.
    #[must_use]
    pub fn watching_clock(self, limits: ClockLimits, uptime: Uptime) -> Self {
        Self { jumps: Some(Arc::new(Jumps::new(limits, uptime))), ..self }
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
        if let Some(found) = self.replays.as_ref().and_then(|replays| replays.get(id))
            && let Some(decision) = decide_without_writing(id, found, &claim)?
        {
            return Ok(decision);
        }
        let before = self.replays.as_ref().map(|replays| (replays, replays.before(id)));
        let decision = self.claim_from_store(id, claim).await?;
        if let Some((replays, before)) = before {
            replays.keep(id, &decision, before);
        }
        Ok(decision)
    }

    async fn claim_from_store(
        &self,
        id: RecordId,
        claim: Claim,
    ) -> Result<Decision<ClaimVerdict>, StoreError> {
        if self.begins_nothing().is_some()
            && let Some(decision) = Box::pin(self.claim_while_stopped(id, &claim)).await?
        {
            return Ok(decision);
        }
        let first = claim.first(Timestamp::default());
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

    /// Makes one step of the sweep: writes the effects of time on some due records.
    ///
    /// # Errors
    /// The errors of the store. The next sweep continues from there.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        let due = self.dated(self.store.due(SWEEP_BATCH)).await?;
        // With a clock that jumped, more records are due than there is work, and the same ones are due again
        // at once.
        let more = due.records.len() == SWEEP_BATCH && !self.clock_has_jumped();
        let mut swept = Swept { more, ..Swept::default() };
        let mut left = due.records;
        while !left.is_empty() {
            let some = left.drain(..left.len().min(SWEPT_TOGETHER)).collect();
            self.sweep_some(some, due.now, &mut swept).await?;
        }
        Ok(swept)
    }

    /// Sweeps some records at the same time, so that a store can batch their writes.
    async fn sweep_some(
        &self,
        records: Vec<(RecordId, Record)>,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        let mut steps = tokio::task::JoinSet::new();
        for (id, record) in records {
            let ledger = self.clone();
            steps.spawn(async move {
                let snapshot = Snapshot { record: Some(record), response: None, now };
                ledger.decide(id, snapshot, &Sweep, None).await
            });
        }
        let mut failed = None;
        while let Some(step) = steps.join_next().await {
            match step.map_err(|error| StoreError::Unclear(Cause::of(error.to_string(), error))).flatten() {
                Ok(decision) => swept.count(&decision.verdict),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
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

    async fn decide<S: Step>(
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
        let Some(known) = known else {
            let Change::Write(Written { record: first, .. }) = change else { return Ok(Swap::Stored(None)) };
            return Ok(match self.dated(self.store.claim(id, first)).await? {
                Claimed::Won(record) => Swap::Stored(Some(record)),
                Claimed::Found(found) => Swap::Conflict(found.into()),
            });
        };
        self.dated(self.store.compare_and_set(id, known.revision, change)).await
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

fn without_response(id: RecordId) -> StoreError {
    StoreError::Unreadable { id, cause: "its response is missing".into() }
}
