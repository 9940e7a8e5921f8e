//! The contest for an operation: an attempt claims it until it is clear where the answer comes from. The
//! claim decides which attempt runs. An attempt that does not run is answered from the record, now or when
//! the running execution ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::warn;

use crate::clock::Timestamp;
use crate::config::{OnStoreError, Route};
use crate::problem::{Problem, Slug};
use crate::protocol::{
    Claim, ClaimVerdict, Owner, Record, RecordId, Standing, State, TakeOver, TakeOverVerdict,
};
use crate::settle::{Settlement, Settler};
use crate::store::{Decision, StoreError};
use crate::telemetry::Arrival;

use super::access::AccessLine;
use super::attempt::{Attempt, ClaimOutcome};
use super::conclusion::Role;
use super::execution::{Execution, HeldLease};
use super::flight::{Membership, Phase};
use super::lease::LeaseAsked;
use super::outgoing::Permit;
use super::reply::{Reply, Unsettled, in_flight, outcome_unknown, reply_to};
use super::wait::{Wait, WaitEnd};
use super::{Gateway, Upstream};

/// The way in which an attempt asks to run.
pub(super) enum Bid {
    /// A claim.
    Claim(Claim),
    /// A take-over of an operation that may run again.
    TakeOver(TakeOver),
}

impl Bid {
    fn owner(&self) -> Owner {
        match self {
            Self::Claim(claim) => claim.owner,
            Self::TakeOver(step) => step.owner,
        }
    }
}

/// The next step of an attempt that did not run.
enum Course {
    /// Claim again at once.
    ClaimAgain,
    /// Run the operation again after this execution, as its policy allows.
    TakeOver { after: Owner, n: u32 },
    /// Wait for the execution of another attempt.
    Wait,
    /// Answer the client.
    Answer(Result<Reply, Problem>),
}

impl Gateway {
    /// Claims and waits until it is clear where the answer comes from: this attempt's own execution, the
    /// execution of another attempt, or the record.
    pub(super) async fn contend(
        self: &Arc<Self>,
        upstream: Upstream,
        mut attempt: Box<Attempt>,
        access: &mut AccessLine,
    ) -> Result<Reply, Problem> {
        let id = attempt.id;
        let mut wait = Wait::of(&attempt.route);
        let party = attempt.party;
        let mut again = None;
        let answer = loop {
            // Joined before the claim, so that nothing an owner publishes after that claim is missed.
            let membership = self.flights.join(id);
            match self.claim(&upstream, attempt, again.take()).await? {
                ClaimOutcome::Answered(answer, ran) => {
                    access.ran(ran);
                    return answer.map(|reply| reply.about(id));
                }
                ClaimOutcome::NotRun(returned, decision) => {
                    attempt = returned;
                    access.about_execution(Some(decision.verdict.record().state.n()));
                    self.pending_writes.store_answered();
                    match self.course(&mut attempt, &decision, &membership, wait.has_waited()).await {
                        Course::ClaimAgain => continue,
                        Course::TakeOver { after, n } => {
                            again = Some((after, n));
                            continue;
                        }
                        Course::Wait => {}
                        Course::Answer(answer) => break answer,
                    }
                }
                ClaimOutcome::MovedOn(returned) => {
                    attempt = returned;
                    continue;
                }
                // An execution in this process reports its outcome without the store.
                ClaimOutcome::Unclaimed(returned, _) if membership.is_running() => attempt = returned,
                ClaimOutcome::Unclaimed(attempt, error) => {
                    return self
                        .without_store(upstream, attempt, &membership, wait.has_waited(), &error)
                        .await;
                }
            }
            if let Some(answer) = self.wait(&attempt, &membership, &mut wait).await {
                break answer;
            }
        };
        self.metrics.recent_attempts().count(id);
        let answer = answer
            .and_then(|reply| self.outgoing.repeatable(reply, party).map_err(|problem| problem.about(id)));
        answer.map(|reply| reply.about(id))
    }

    /// Decides what an attempt does next, by what the record says to it.
    async fn course(
        &self,
        attempt: &mut Attempt,
        decision: &Decision<Standing>,
        membership: &Membership,
        has_waited: bool,
    ) -> Course {
        if let Standing::OtherScheme(record) = &decision.verdict {
            attempt.compare_under(&record.fingerprint.scheme);
            return Course::ClaimAgain;
        }
        if !has_waited {
            self.count_duplicate(attempt, decision);
        }
        let is_undecided = matches!(decision.verdict.record().state, State::Unknown { .. });
        if matches!(decision.verdict, Standing::InFlight(_)) || (is_undecided && membership.has_execution()) {
            return Course::Wait;
        }
        // On the heap, because few attempts meet an unknown outcome.
        if let Standing::Unknown(record) = &decision.verdict
            && let Some(course) = Box::pin(self.settle(attempt, record, decision.now)).await
        {
            return course;
        }
        let unsettled = self.prospect(&attempt.route, decision.verdict.record(), decision.now);
        let answer = reply_to(attempt.id, &decision.verdict, decision.response.as_ref(), unsettled);
        // An attempt that waited was present when the execution was lost.
        Course::Answer(if has_waited { answer.map_err(Problem::present_if_unknown) } else { answer })
    }

    /// Returns the prospect of an operation with an unknown outcome, for an attempt on `route`.
    pub(super) fn prospect(&self, route: &Route, record: &Record, now: Timestamp) -> Unsettled {
        match self.settler.may_settle(record, now) && Settler::is_evidence_at(record, route) {
            true => Unsettled::of(record, now),
            false => Unsettled::Held,
        }
    }

    /// Asks what became of an unknown execution. Returns `None` if the outcome stays unknown.
    async fn settle(&self, attempt: &Attempt, record: &Record, now: Timestamp) -> Option<Course> {
        let id = attempt.id;
        match self.settler.settle(id, record, now).await {
            Settlement::Changed | Settlement::Decided(_) => Some(Course::ClaimAgain),
            // Another upstream does not know the key.
            Settlement::MayRunAgain if !Settler::is_evidence_at(record, &attempt.route) => None,
            Settlement::MayRunAgain if self.settler.may_send(id, record, attempt.sent()) => {
                record.state.owner().map(|after| Course::TakeOver { after, n: record.state.n() })
            }
            Settlement::MayRunAgain => {
                let problem = outcome_unknown(Unsettled::OtherBytes).about(id);
                Some(Course::Answer(Err(problem)))
            }
            Settlement::Unknown => None,
        }
    }

    /// Waits for an execution of another attempt. Returns its answer, or `None` if the store has to be asked
    /// again.
    async fn wait(
        &self,
        attempt: &Attempt,
        membership: &Membership,
        wait: &mut Wait,
    ) -> Option<Result<Reply, Problem>> {
        let id = attempt.id;
        let uncommitted = attempt.open_requests.begin_uncommitted();
        let end = wait.next_end(membership, &attempt.fingerprint, || self.ledger.watch(id)).await;
        drop(uncommitted);
        match end {
            WaitEnd::Concluded(conclusion) => Some(conclusion.answer(id, Role::Duplicate)),
            WaitEnd::ClaimAgain => None,
            WaitEnd::OutOfTime => Some(match membership.phase() {
                Phase::Unwritten(of, conclusion) if of == attempt.fingerprint => {
                    conclusion.answer(id, Role::Duplicate)
                }
                _ => Err(in_flight().about(id)),
            }),
        }
    }

    /// Answers an attempt while the store does not say how its operation stands. Sends nothing if the
    /// operation runs somewhere, or ran in this process.
    async fn without_store(
        self: &Arc<Self>,
        upstream: Upstream,
        attempt: Box<Attempt>,
        membership: &Membership,
        has_waited: bool,
        error: &StoreError,
    ) -> Result<Reply, Problem> {
        let id = attempt.id;
        let answer = match (membership.phase(), attempt.route.on_store_error) {
            (Phase::Unwritten(of, conclusion), _) if of == attempt.fingerprint => {
                conclusion.answer(id, Role::Duplicate)
            }
            (Phase::Vacant, OnStoreError::Bypass) if !has_waited => {
                self.bypass(upstream, attempt, error).await
            }
            _ => Err(store_problem(id, error)),
        };
        answer.map(|reply| reply.about(id))
    }

    /// Makes the claim, and runs the execution if the claim is won. Both happen in a task that no client can
    /// cancel: a claim without its execution would make an outcome unknown although nothing was sent.
    async fn claim(
        self: &Arc<Self>,
        upstream: &Upstream,
        attempt: Box<Attempt>,
        again: Option<(Owner, u32)>,
    ) -> Result<ClaimOutcome, Problem> {
        let (id, owner) = (attempt.id, (self.new_owner)());
        let bid = match again {
            None => {
                let claim = attempt.claim(owner);
                // An attempt that memory answers needs neither a permit nor a task.
                if let Ok(Some(Decision { verdict: ClaimVerdict::NotWon(standing), response, now })) =
                    self.ledger.replayed(id, &claim)
                {
                    let decision = Decision { verdict: standing, response, now };
                    return Ok(ClaimOutcome::NotRun(attempt, Box::new(decision)));
                }
                Bid::Claim(claim)
            }
            Some((after, n)) => Bid::TakeOver(TakeOver { owner, after, n }),
        };
        let permit = match (self.admit(attempt.party), &bid) {
            (Ok(permit), _) => permit,
            (Err(problem), Bid::TakeOver(_)) => self.admit_soon(&attempt, problem).await?,
            (Err(problem), Bid::Claim(claim)) => {
                // An attempt that needs no execution is answered even without a permit.
                match self.ledger.claim_without_writing(id, claim).await {
                    Ok(Some(decision)) => return Ok(ClaimOutcome::NotRun(attempt, Box::new(decision))),
                    Ok(None) => self.admit_soon(&attempt, problem).await?,
                    Err(error @ (StoreError::Unavailable(_) | StoreError::Unclear(_))) => {
                        return Ok(ClaimOutcome::Unclaimed(attempt, error));
                    }
                    Err(error) => return Err(store_problem(id, &error)),
                }
            }
        };
        let (sender, receiver) = oneshot::channel();
        let run = Arc::clone(self).bid_and_run(upstream.clone(), attempt, bid, permit, sender);
        self.executions.spawn(Box::pin(run));
        // Only a panic in the task can drop the sender.
        Ok(receiver.await.unwrap_or_else(|_| {
            ClaimOutcome::Answered(Err(outcome_unknown(Unsettled::Held).present().about(id)), None)
        }))
    }

    /// Makes a bid, and runs the execution that it wins.
    pub(super) async fn bid_and_run(
        self: Arc<Self>,
        upstream: Upstream,
        attempt: Box<Attempt>,
        bid: Bid,
        permit: Permit,
        sender: oneshot::Sender<ClaimOutcome>,
    ) {
        let (id, owner, asked) = (attempt.id, bid.owner(), LeaseAsked::now());
        let bidden = {
            let _span = attempt.trace.step("claim");
            self.bid(id, bid).await
        };
        let Decision { verdict, response, now } = match bidden {
            Ok(Some(decision)) => decision,
            Ok(None) => {
                drop(permit);
                return drop(sender.send(ClaimOutcome::MovedOn(attempt)));
            }
            Err(error) => {
                drop(permit);
                return self.not_claimed(attempt, owner, error, sender).await;
            }
        };
        let membership = self.flights.join(id);
        let (record, end) = match verdict {
            ClaimVerdict::Won(record) if record.state.n() == 1 && membership.has_execution() => {
                // The claim made execution 1, but this process runs one or holds its outcome: the store has
                // lost the record.
                warn!(record = %id, "nothing was sent: the store has lost the record of an execution");
                drop(permit);
                if self.ledger.abandon(id, owner).await.is_err() {
                    self.release_unsent(id, owner).await;
                }
                let not_run = Decision { verdict: Standing::InFlight(record), response: None, now };
                return drop(sender.send(ClaimOutcome::NotRun(attempt, Box::new(not_run))));
            }
            ClaimVerdict::Won(record) => {
                let end = asked.for_lease(record.policy.lease);
                (record, end)
            }
            // The claim had won, but its lease was over before the answer came. Nothing was sent, and nothing
            // may be: the execution connects at most, and releases its claim.
            ClaimVerdict::NotWon(Standing::Unknown(record)) if record.state.owner() == Some(owner) => {
                (record, asked.for_lease(Duration::ZERO))
            }
            ClaimVerdict::NotWon(standing) => {
                drop(permit);
                let not_run = Decision { verdict: standing, response, now };
                return drop(sender.send(ClaimOutcome::NotRun(attempt, Box::new(not_run))));
            }
        };
        let lead = membership.lead(record.fingerprint.clone());
        let n = record.state.n();
        let sends_until = asked.until_window_ends(&record, now);
        let lease = HeldLease { ledger: self.ledger.clone(), id, owner, n, record, end, sends_until };
        let execution = Execution { gateway: self, upstream, attempt, lease, lead, permit };
        // On the heap, so that a claim that is not won needs no room for it.
        Box::pin(execution.run(sender)).await;
    }

    /// Makes a bid. Returns `None` if the record of a take-over has moved on.
    async fn bid(&self, id: RecordId, bid: Bid) -> Result<Option<Decision<ClaimVerdict>>, StoreError> {
        let step = match bid {
            Bid::Claim(claim) => return self.ledger.claim_from_store(id, claim).await.map(Some),
            Bid::TakeOver(step) => step,
        };
        // On the heap, because few operations are taken over.
        let Decision { verdict, response, now } = Box::pin(self.ledger.take_over(id, step)).await?;
        Ok(match verdict {
            TakeOverVerdict::Won(record) => {
                Some(Decision { verdict: ClaimVerdict::Won(record), response, now })
            }
            TakeOverVerdict::Lost(_) => None,
        })
    }

    /// Answers an attempt whose claim failed. Releases the claim if it may stand.
    async fn not_claimed(
        &self,
        attempt: Box<Attempt>,
        owner: Owner,
        error: StoreError,
        sender: oneshot::Sender<ClaimOutcome>,
    ) {
        let id = attempt.id;
        warn!(record = %id, "nothing was sent: {error}");
        let unclear = matches!(error, StoreError::Unclear(_));
        drop(sender.send(match error {
            StoreError::Unavailable(_) | StoreError::Unclear(_) => ClaimOutcome::Unclaimed(attempt, error),
            // The store answers, so there is nothing to bypass.
            StoreError::Refused(_) | StoreError::Unreadable { .. } => {
                ClaimOutcome::Answered(Err(store_problem(id, &error)), None)
            }
        }));
        if unclear {
            self.release_unsent(id, owner).await;
        }
    }

    /// Releases a claim that may stand, and under which nothing was sent. If too many releases wait for the
    /// store, leaves the claim: its lease ends, and an operator has to resolve the record as not executed.
    async fn release_unsent(&self, id: RecordId, owner: Owner) {
        let Ok(_permit) = self.releases.try_acquire() else {
            warn!(record = %id, "the record may stay claimed: too many releases wait for the store");
            return;
        };
        let release = self.pending_writes.until_taken(&self.ledger, id, || self.ledger.abandon(id, owner));
        self.stop.unless_cut(Box::pin(release)).await;
    }

    fn count_duplicate(&self, attempt: &Attempt, decision: &Decision<Standing>) {
        let record = decision.verdict.record();
        if record.fingerprint != attempt.fingerprint {
            return;
        }
        let arrival = match decision.verdict {
            Standing::InFlight(_) => Arrival::Concurrent,
            Standing::Replay(..) | Standing::Settled(_) => Arrival::Completed,
            Standing::Expired(..) => Arrival::Late,
            Standing::Unknown(_) | Standing::Mismatch(_) | Standing::OtherScheme(_) => return,
        };
        let age = decision.now.since(record.created_at);
        self.metrics.duplicate(&attempt.route.name, arrival, age);
    }
}

fn store_problem(id: RecordId, error: &StoreError) -> Problem {
    match error {
        StoreError::Unreadable { .. } => {
            Problem::new(Slug::RecordUnreadable, "Nothing was sent. An operator has to look at the record.")
                .about(id)
        }
        StoreError::Unavailable(_) | StoreError::Unclear(_) => {
            let detail = "This attempt sent nothing. Whether an earlier one with this key ran is not known: the store \
                          does not answer. Retry with the same key.";
            Problem::new(Slug::StoreUnavailable, detail)
        }
        StoreError::Refused(_) => {
            let detail = "This attempt sent nothing: for now the gateway only answers from stored records. Retry with the same key.";
            Problem::new(Slug::StoreUnavailable, detail)
        }
    }
}
