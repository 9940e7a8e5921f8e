//! One execution: the call to the upstream, and the record of its outcome.
//!
//! An execution runs in a task of its own, which no client can cancel. Once a byte may have been sent, the
//! response is worth having even if no client waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio::{join, select};
use tower::ServiceExt;
use tracing::field::display;
use tracing::{info, warn};

use crate::call::{CallError, MaySend};
use crate::failpoint::failpoint;
use crate::protocol::{
    Called, Finding, Meaning, OnUnknown, Owner, OwnerVerdict, Reason, Record, RecordId, Renew, RenewVerdict,
    Report, Sent, Standing, State, StoredResponse, finding, refused,
};
use crate::settle::{self, Admission};
use crate::store::{Decision, Ledger, Snapshot, StoreError};
use crate::telemetry::{ErrorChain, Metrics, TraceId, millis};

use super::answer::{Answer, Rest};
use super::attempt::{Attempt, ClaimOutcome, Ran};
use super::conclusion::{Conclusion, Overruling, Recorded, Role};
use super::flight::Lead;
use super::lease::{LeaseAsked, LeaseEnd};
use super::outgoing::Permit;
use super::reply::{Unsettled, replayed_until};
use super::{Gateway, Upstream};

/// An execution that was won and is not yet sent.
pub(super) struct Execution {
    pub(super) gateway: Arc<Gateway>,
    pub(super) upstream: Upstream,
    pub(super) attempt: Box<Attempt>,
    pub(super) lease: HeldLease,
    pub(super) lead: Lead,
    /// Permit, held until the outcome is recorded, so that executions cannot pile up while the store is away.
    /// It is held further until the client has taken the response, if the response finds no room elsewhere.
    pub(super) permit: Permit,
}

/// The execution's lease: its owner's hold on the record in the store.
pub(super) struct HeldLease {
    pub(super) ledger: Ledger,
    pub(super) id: RecordId,
    pub(super) owner: Owner,
    pub(super) n: u32,
    /// The record as this owner last saw it written.
    pub(super) record: Record,
    /// The end of the lease, counted from before the lease was asked for.
    pub(super) end: LeaseEnd,
    /// The end of the window in which a repeated request may be sent, if there is one.
    pub(super) sends_until: Option<LeaseEnd>,
}

impl Execution {
    /// Runs the execution to its end: calls the upstream, records the outcome, and answers the owner's client
    /// and all waiters.
    pub(super) async fn run(mut self, client: oneshot::Sender<ClaimOutcome>) {
        let in_flight = self.gateway.metrics.execution_started(&self.attempt.route.name);
        let started = Instant::now();
        let (called, rest) = match self.call().await {
            Ok((answer, rest)) => (Ok(answer), rest),
            Err(error) => (Err(error), None),
        };
        let call = started.elapsed();
        failpoint!("after-response");
        let finding = self.finding(&called);
        let admitted = self.lease.admitted(&self.gateway, finding).await;
        let finding = admitted.unwrap_or(finding);
        let kept = self.kept(finding, &called);
        let recorded = match admitted {
            Some(_) => {
                let _span = self.attempt.trace.step("record");
                self.lease.record(finding, kept.as_ref()).await
            }
            None => Recorded::NotYet,
        };
        failpoint!("after-complete");
        let recorded = self.settled(&called, recorded).await;
        self.warn_unknown(finding, &called, &recorded);
        let late = matches!(recorded, Recorded::NotYet).then(|| kept.clone());
        let unknown_answers = self.attempt.route.unknown_answers;
        let unsettled =
            self.gateway.prospect(&self.attempt.route, &self.lease.record, self.lease.record.updated_at);
        let conclusion = Conclusion::of(called, kept, finding, recorded, unknown_answers, unsettled);
        let conclusion = Arc::new(conclusion);
        self.log_end(&conclusion, started.elapsed());
        let reply = conclusion.answer(self.lease.id, Role::Owner);
        let mut reply = reply.map(|reply| self.gateway.outgoing.first(reply, &self.permit));
        let alone = self.lease.record.policy.response_timeout;
        let pump = rest.map(|rest| rest.pump(self.gateway.stop.clone(), alone)).map(|(body, pump)| {
            if let (Ok(reply), true) = (&mut reply, conclusion.passes_on()) {
                *reply.response.body_mut() = body;
            }
            pump
        });
        // A client that is gone does not matter: its retry finds the record.
        drop(client.send(ClaimOutcome::Answered(reply, Ran::new(self.lease.n, call))));
        let Self { gateway, lease, lead, attempt, permit, .. } = self;
        drop((in_flight, attempt));
        let passing_on = async {
            if let Some(pump) = pump {
                Box::pin(pump).await;
            }
        };
        let Some(kept) = late else {
            lead.publish(conclusion);
            passing_on.await;
            return drop(permit);
        };
        lead.publish_unwritten(Arc::clone(&conclusion));
        let recording = lease.conclude_late(&gateway, lead, conclusion, finding, kept.as_ref());
        // A response that streams may take any time, but its outcome is known already.
        Box::pin(async { join!(passing_on, recording) }).await;
        drop(permit);
    }

    /// Tells whether the upstream says, in a header that the route believes, that it did not act.
    fn disclaims(&self, answer: &Answer) -> bool {
        self.attempt.route.release_when.iter().any(|word| word.is_said(&answer.headers))
    }

    /// Tells whether nothing was sent, or the upstream says that it did not act, where only the marker table
    /// can prove it.
    fn is_refusal(&self, called: &Result<Answer, CallError>) -> bool {
        let refused = match called {
            Ok(answer) => {
                let meaning = self.attempt.route.outcomes.meaning(answer.status.as_u16());
                !answer.reports_conflict() && (self.disclaims(answer) || meaning == Meaning::Released)
            }
            Err(error) => error.sent == Sent::Never,
        };
        refused && self.lease.record.policy.on_unknown == OnUnknown::Marker
    }

    /// Fences this execution if its upstream has refused it, and counts an outcome that it has settled.
    async fn settled(&self, called: &Result<Answer, CallError>, recorded: Recorded) -> Recorded {
        self.count_settled(&recorded);
        match recorded {
            Recorded::MadeUnknown | Recorded::StillUnknown if self.is_refusal(called) => {
                Box::pin(self.fenced()).await
            }
            recorded => recorded,
        }
    }

    /// Fences this execution, which the upstream has refused. The key is free again if the fence closed.
    async fn fenced(&self) -> Recorded {
        let HeldLease { id, owner, n, .. } = self.lease;
        match self.gateway.settler.settle_answered(id, owner, n).await {
            Ok(true) => Recorded::Released,
            Ok(false) => Recorded::MadeUnknown,
            Err(error) => {
                warn!(record = %id, execution = n, "the refused execution is not fenced yet: {error}");
                Recorded::MadeUnknown
            }
        }
    }

    /// Counts an unknown outcome that this repeated execution has decided.
    fn count_settled(&self, recorded: &Recorded) {
        let HeldLease { record, .. } = &self.lease;
        let repeats = matches!(record.state, State::Running { undecided: true, .. });
        if let (true, Recorded::Completed(_), OnUnknown::Retry { .. }) =
            (repeats, recorded, record.policy.on_unknown)
        {
            let took = record.updated_at.since(record.created_at);
            self.gateway.metrics.settled(
                &record.route,
                settle::by(record.policy.on_unknown),
                "executed",
                took,
            );
        }
    }

    /// Logs one line and counts one execution, whether or not its client is still there.
    fn log_end(&self, conclusion: &Conclusion, took: Duration) {
        let (route, outcome) = (&self.attempt.route.name, conclusion.outcome());
        self.gateway.metrics.execution_ended(route, outcome);
        info!(
            target: "oncegate::execution",
            method = %self.attempt.method(), path = self.attempt.path(),
            %route, record = %self.lease.id, execution = self.lease.n, outcome, status = conclusion.status(),
            took_ms = millis(took), labels = self.lease.record.labels.shown().map(display), "execution ended"
        );
    }

    /// Warns once of each new unknown outcome, with its cause as far as known. Also warns of the cause when a
    /// call sent nothing.
    fn warn_unknown(&self, finding: Finding, called: &Result<Answer, CallError>, recorded: &Recorded) {
        let HeldLease { id, n, .. } = self.lease;
        let cause = called.as_ref().err().map(|error| ErrorChain(error).to_string());
        if let (Finding::Lose(reason), Recorded::MadeUnknown) = (finding, recorded) {
            became_unknown(&self.gateway.metrics, &self.lease, reason, cause.as_deref());
        } else if let Some(cause) = cause {
            warn!(record = %id, execution = n, "{cause}");
        }
    }

    /// Calls the upstream, and renews the lease meanwhile.
    async fn call(&mut self) -> Result<(Answer, Option<Rest>), CallError> {
        failpoint!("after-claim");
        // This check narrows the window in which a gateway that was stopped or suspended could send late. It
        // does not close the window, and nothing relies on it.
        if self.lease.end.is_over() {
            return Err(CallError { sent: Sent::Never, reason: Reason::LeaseOver, source: None });
        }
        failpoint!("before-send");
        let started = Instant::now();
        let (limit, cap) = (self.lease.record.policy.response_timeout, self.attempt.route.max_response_body);
        let mut request = self.attempt.request(self.lease.n);
        let mut span = self.attempt.trace.call("upstream");
        span.write_to(request.headers_mut());
        let trace = TraceId::sampled(request.headers());
        let lease_ends = self.lease.end.clone();
        let window_ends = self.lease.sends_until.clone();
        let may_send = move || !lease_ends.is_over() && !window_ends.as_ref().is_some_and(LeaseEnd::is_over);
        request.extensions_mut().insert(MaySend::new(may_send));
        let upstream = self.upstream.clone();
        let call = async move { Answer::read(upstream.oneshot(request).await?, cap).await };
        let lost = |reason| CallError { sent: Sent::Maybe, reason, source: None };
        let called = select! {
            biased;
            called = call => called,
            () = self.lease.renew_until(started + limit) => Err(lost(Reason::ResponseTimeout)),
            () = self.gateway.stop.cut() => Err(lost(Reason::Shutdown)),
        };
        self.gateway.metrics.upstream_call(&self.attempt.route.name, started.elapsed(), trace);
        match &called {
            Ok((answer, _)) => span.set("http.response.status_code", answer.status.as_u16()),
            Err(error) => span.set("oncegate.reason", error.reason),
        }
        called
    }

    /// Returns what the call means for the record.
    fn finding(&self, called: &Result<Answer, CallError>) -> Finding {
        let called = match called {
            Ok(answer) if self.disclaims(answer) => {
                return refused(&self.lease.record.policy, answer.status.as_u16());
            }
            Ok(answer) => {
                let conflict = answer.reports_conflict();
                Called::Answered { status: answer.status.as_u16(), retained: answer.body.is_some(), conflict }
            }
            Err(CallError { sent, reason, .. }) => Called::Failed { sent: *sent, reason: *reason },
        };
        let HeldLease { owner, record, .. } = &self.lease;
        let undecided = matches!(
            record.state,
            State::Running { undecided: true, .. } | State::Unknown { undecided: true, .. }
        );
        finding(*owner, &record.policy, undecided, &self.attempt.route.outcomes, called)
    }

    /// Returns the part of the response that the route keeps, if the call completes the operation.
    fn kept(&self, finding: Finding, called: &Result<Answer, CallError>) -> Option<StoredResponse> {
        match (finding, called) {
            (Finding::Complete(_), Ok(answer)) => answer.kept(&self.attempt.route),
            (Finding::Complete(_), Err(_)) | (Finding::Release | Finding::Lose(_), _) => None,
        }
    }
}

impl HeldLease {
    /// Waits until the end of the call's time, and renews the lease every third of its length meanwhile. Tries
    /// a failed renewal again at the next third. An owner that lost its record goes on with its call, because
    /// the response is worth having. The thirds have no jitter: each counts from the claim of its own
    /// operation.
    ///
    /// One timer serves both purposes, because each execution pays for it.
    async fn renew_until(&mut self, end: Instant) {
        let (owner, n) = (self.owner, self.n);
        loop {
            let third = Instant::now() + self.record.policy.lease / 3;
            sleep_until(third.min(end)).await;
            if third >= end {
                return;
            }
            let (renew, asked) = (Renew { owner, n }, LeaseAsked::now());
            let renewal = self.ledger.apply(self.id, Some(&self.record), &renew, None);
            // On the heap, like everything that few executions need: a future is as large as all futures that
            // it may await, and is moved at that size.
            let Ok(renewed) = timeout_at(end, Box::pin(renewal)).await else { return };
            match renewed {
                Ok(Decision { verdict: RenewVerdict::Renewed(record), .. }) => {
                    self.end.renewed(asked);
                    self.record = record;
                }
                Ok(Decision { verdict: RenewVerdict::Lost(_), .. }) => return sleep_until(end).await,
                Err(error) => warn!(record = %self.id, "the lease could not be renewed: {error}"),
            }
        }
    }

    /// Records the outcome of the call. Writes it once more if the store's answer was unclear.
    async fn record(&self, finding: Finding, kept: Option<&StoredResponse>) -> Recorded {
        let report = self.report(finding);
        let recorded = match self.ledger.apply(self.id, Some(&self.record), &report, kept).await {
            Err(StoreError::Unclear(_)) => Box::pin(self.ledger.apply(self.id, None, &report, kept)).await,
            answered => answered,
        };
        let recorded = match recorded {
            Ok(decision) => Box::pin(self.recorded(finding, decision.verdict)).await,
            Err(error) => Err(error),
        };
        recorded.unwrap_or_else(|error| {
            warn!(record = %self.id, execution = self.n, "the outcome is not recorded yet: {error}");
            Recorded::NotYet
        })
    }

    /// Returns the finding, unless it is a late completion that a fence refuses: the outcome of such an
    /// execution is unknown. Returns `None` while it is not known whether there is a fence.
    async fn admitted(&self, gateway: &Gateway, finding: Finding) -> Option<Finding> {
        let (Finding::Complete(_), true) = (finding, self.end.is_over()) else { return Some(finding) };
        match gateway.settler.may_complete(self.id, &self.record, self.n).await {
            Admission::Admitted => Some(finding),
            Admission::Fenced => {
                warn!(record = %self.id, execution = self.n, "the execution was fenced, and completes no more");
                Some(Finding::Lose(Reason::LeaseOver))
            }
            Admission::Unanswered(why) => {
                warn!(record = %self.id, execution = self.n, "not completed yet: {why}");
                None
            }
        }
    }

    fn report(&self, finding: Finding) -> Report {
        Report { owner: self.owner, n: self.n, finding }
    }

    /// Records the outcome once the store answers again, and publishes the conclusion.
    async fn conclude_late(
        &self,
        gateway: &Gateway,
        lead: Lead,
        conclusion: Arc<Conclusion>,
        finding: Finding,
        kept: Option<&StoredResponse>,
    ) {
        let late = async {
            let recorded = self.record_late(gateway, finding, kept).await;
            // The record moved on, or a fence has refused the answer, so waiters have to ask the store.
            recorded.is_some_and(|(recorded, was_refused)| was_refused || recorded.has_moved_on())
        };
        match gateway.stop.unless_cut(Box::pin(late)).await {
            Some(true) => drop(lead),
            Some(false) | None => lead.publish(conclusion),
        }
    }

    /// Records the outcome once the store, and the table of fences, answer again. Returns `None` if the store
    /// never takes it. The other result is true if a fence has refused the completion.
    async fn record_late(
        &self,
        gateway: &Gateway,
        finding: Finding,
        kept: Option<&StoredResponse>,
    ) -> Option<(Recorded, bool)> {
        let write = || async {
            let silent = || StoreError::Unavailable("the marker table does not answer".into());
            let admitted = self.admitted(gateway, finding).await.ok_or_else(silent)?;
            let kept = kept.filter(|_| matches!(admitted, Finding::Complete(_)));
            let verdict = self.ledger.apply(self.id, None, &self.report(admitted), kept).await?.verdict;
            info!(record = %self.id, execution = self.n, verdict = verdict.name(), "recorded late");
            let recorded = self.recorded(admitted, verdict).await?;
            if let (Finding::Lose(reason), Recorded::MadeUnknown) = (admitted, &recorded) {
                became_unknown(&gateway.metrics, self, reason, None);
            }
            Ok((recorded, admitted != finding))
        };
        gateway.pending_writes.until_taken(&self.ledger, self.id, write).await
    }

    /// Interprets the store's verdict on an outcome. `MadeUnknown` remains only if this owner made the
    /// outcome unknown: an outcome that was unknown before is not new.
    async fn recorded(&self, finding: Finding, verdict: OwnerVerdict) -> Result<Recorded, StoreError> {
        Ok(match verdict {
            OwnerVerdict::Stored(record) => Recorded::Completed(replayed_until(&record)),
            OwnerVerdict::Released(_) => Recorded::Released,
            OwnerVerdict::StillUnknown(_) => Recorded::StillUnknown,
            OwnerVerdict::Unknown(record) if is_for_another_reason(finding, &record) => {
                Recorded::StillUnknown
            }
            OwnerVerdict::Unknown(_) => Recorded::MadeUnknown,
            OwnerVerdict::Lost(_) => return self.overruled().await,
        })
    }

    /// Reads the record that moved on without this owner.
    async fn overruled(&self) -> Result<Recorded, StoreError> {
        let Snapshot { record, response, now } = self.ledger.read(self.id).await?;
        let Some(record) = record.filter(|record| !self.is_older_than(&record.state)) else {
            warn!(record = %self.id, execution = self.n, "the store has lost the record of this execution");
            return Ok(Recorded::Gone);
        };
        let unsettled = Unsettled::of(&record, now);
        Ok(Recorded::Overruled(Box::new(Overruling { standing: Standing::of(record), response, unsettled })))
    }

    /// Tells whether a record in this state was made anew after this execution's record. Numbers never go
    /// back within a record, so a lower number shows a new record.
    fn is_older_than(&self, state: &State) -> bool {
        let n = state.n();
        n < self.n || (n == self.n && state.owner().is_some_and(|owner| owner != self.owner))
    }
}

/// Counts a new unknown outcome, and warns of it.
fn became_unknown(metrics: &Metrics, lease: &HeldLease, reason: Reason, cause: Option<&str>) {
    let (route, execution) = (&lease.record.route, lease.n);
    metrics.became_unknown(route, reason);
    let labels = lease.record.labels.shown().map(display);
    warn!(record = %lease.id, %route, execution, reason = reason.to_string(), cause, labels, "the outcome is unknown");
}

/// Tells whether the record is unknown for another reason than the one that the owner reported.
fn is_for_another_reason(finding: Finding, record: &Record) -> bool {
    let (Finding::Lose(reported), State::Unknown { reason, .. }) = (finding, record.state) else {
        return false;
    };
    reason != reported
}
