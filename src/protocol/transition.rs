//! The state machine. One pure function, [`transition`], decides every step of every operation. The stores
//! obey it, and the gateway and the admin API carry out its verdicts.
//!
//! A caller may decide on a record that it read earlier, if it writes with a comparison on the record's
//! revision. This is safe because the only condition on time in this module is "this moment has passed",
//! which never becomes false again.

use std::borrow::Cow;
use std::fmt::Debug;

use crate::clock::Timestamp;

use super::{
    Claim, ClaimVerdict, Delete, Doubt, Evidence, Executed, Finding, OnUnknown, OperatorVerdict, Owner,
    OwnerVerdict, Reason, Record, Refusal, Renew, RenewVerdict, Reopen, Report, Resolution, ResponseRef,
    Settle, SettleVerdict, Signature, Signed, Standing, State, StepKind, Sweep, SweepVerdict, TakeOver,
    TakeOverVerdict, entry,
};

/// A step that can happen to an operation.
pub trait Step: Debug + Send + Sync {
    /// The verdicts that the sender of the step can get.
    type Verdict: Send;

    /// Returns the kind of the step.
    fn kind(&self) -> StepKind;

    /// Decides the effect of the step on the stored record. See [`transition`].
    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<Self::Verdict>;

    /// Returns the signature of the operator that sends the step, for the record's history.
    fn signature(&self) -> Option<&Signature> {
        None
    }
}

/// A decision: the change to write, and its verdict once the change is stored.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, from the decision to the store; a box would cost more"
)]
pub enum Transition<V> {
    /// No change. The verdict holds already.
    Unchanged(V),
    /// A record that replaces the old one, with a comparison on the record that was decided on. The verdict
    /// is about the record as the store stamps it, so it exists only once the record is stored.
    Write(Record, fn(Record) -> V),
    /// Removal of the record. The verdict holds once it is removed.
    Remove(V),
}

/// Decides the effect of `step` on `record` at `now`, on the store's clock.
///
/// A step that the protocol does not list for a state changes nothing. `now` may lag behind the moment at
/// which the decision is written, but must not run ahead of it.
#[must_use]
pub fn transition<S: Step>(record: Option<&Record>, step: &S, now: Timestamp) -> Transition<S::Verdict> {
    let mut decided = step.decide(record, now);
    if let Transition::Write(next, _) = &mut decided
        && let Some(entry) = entry::of(step.kind(), step.signature(), record, next, now)
    {
        let history = match entry::shown_before(step.kind(), record) {
            Some(shown) => next.history.with(shown),
            None => next.history.clone(),
        };
        next.history = history.with(entry);
    }
    decided
}

/// Returns the record as it stands now, or `None` once nothing is remembered.
fn current(stored: Option<&Record>, now: Timestamp) -> Option<Cow<'_, Record>> {
    stored.and_then(|record| record.at(now))
}

impl Step for Claim {
    type Verdict = ClaimVerdict;

    fn kind(&self) -> StepKind {
        StepKind::Claim
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<ClaimVerdict> {
        let Some(record) = current(stored, now) else {
            // A forgotten record may still lie in the store.
            let first = self.first(now);
            let revision = stored.map_or(first.revision, |forgotten| forgotten.revision.next());
            return Transition::Write(Record { revision, ..first }, ClaimVerdict::Won);
        };
        match record.state {
            State::Running { owner, .. } if owner == self.owner => {
                Transition::Unchanged(ClaimVerdict::Won(record.into_owned()))
            }
            // Requests are compared once the outcome is decided: a release may leave the key to another
            // request.
            State::Running { .. } => match lapse(&record, now) {
                Some(unknown) => {
                    let verdict = other_request(&unknown, self)
                        .unwrap_or(|unknown| ClaimVerdict::NotWon(Standing::Unknown(unknown)));
                    Transition::Write(unknown, verdict)
                }
                None => Transition::Unchanged(ClaimVerdict::NotWon(Standing::InFlight(record.into_owned()))),
            },
            _ => match other_request(&record, self) {
                Some(other) => Transition::Unchanged(other(record.into_owned())),
                None => self.claim_decided(&record, now),
            },
        }
    }
}

impl Claim {
    /// Decides this claim with the request of a record that is not running.
    fn claim_decided(&self, record: &Record, now: Timestamp) -> Transition<ClaimVerdict> {
        if let Some(standing) = Standing::of(record.clone()) {
            return Transition::Unchanged(ClaimVerdict::NotWon(standing));
        }
        let undecided = matches!(record.state, State::Cleared { undecided: true, .. });
        let n = following(record.state.n());
        let running = record.become_at(State::Running { owner: self.owner, n, undecided }, now);
        // While the first request can still act, the question is about that request.
        let kept = if undecided { running.kept.clone() } else { self.kept.clone() };
        Transition::Write(Record { kept, ..running }, ClaimVerdict::Won)
    }
}

/// Returns the verdict for a claim with a request that is not that of the record, or not yet comparable to
/// it.
fn other_request(record: &Record, claim: &Claim) -> Option<fn(Record) -> ClaimVerdict> {
    if record.fingerprint.scheme != claim.fingerprint.scheme {
        Some(|record| ClaimVerdict::NotWon(Standing::OtherScheme(record)))
    } else if record.fingerprint.digest != claim.fingerprint.digest {
        Some(|record| ClaimVerdict::NotWon(Standing::Mismatch(record)))
    } else {
        None
    }
}

impl Step for Renew {
    type Verdict = RenewVerdict;

    fn kind(&self) -> StepKind {
        StepKind::Renew
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<RenewVerdict> {
        match current(stored, now) {
            Some(record) if is_running(&record, self.owner, self.n) => {
                Transition::Write(record.become_at(record.state, now), RenewVerdict::Renewed)
            }
            other => Transition::Unchanged(RenewVerdict::Lost(other.map(Cow::into_owned))),
        }
    }
}

fn is_running(record: &Record, owner: Owner, n: u32) -> bool {
    matches!(record.state, State::Running { owner: holder, n: last, .. } if (holder, last) == (owner, n))
}

impl Step for Report {
    type Verdict = OwnerVerdict;

    fn kind(&self) -> StepKind {
        match self.finding {
            Finding::Complete(_) => StepKind::Complete,
            Finding::Release => StepKind::Release,
            Finding::Lose(_) => StepKind::Lose,
        }
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<OwnerVerdict> {
        let Self { owner, n, finding } = *self;
        match (current(stored, now), finding) {
            (Some(record), Finding::Complete(response)) => complete(&record, owner, n, response, now),
            (Some(record), Finding::Release) => release(&record, owner, n, now),
            (Some(record), Finding::Lose(reason)) => lose(&record, owner, n, reason, now),
            // The answer to the release was lost, and the release is repeated. A later execution leaves a
            // cleared record.
            (None, Finding::Release) if n == 1 => Transition::Unchanged(OwnerVerdict::Released(None)),
            (None, _) => Transition::Unchanged(OwnerVerdict::Lost(None)),
        }
    }
}

fn lost(record: &Record) -> Transition<OwnerVerdict> {
    Transition::Unchanged(OwnerVerdict::Lost(Some(record.clone())))
}

fn complete(
    record: &Record,
    owner: Owner,
    n: u32,
    response: ResponseRef,
    now: Timestamp,
) -> Transition<OwnerVerdict> {
    match record.state {
        State::Completed { owner: holder, n: done, response: kept }
            if (holder, done, kept.id) == (owner, n, response.id) =>
        {
            Transition::Unchanged(OwnerVerdict::Stored(record.clone()))
        }
        State::Running { owner: holder, n: last, .. }
        | State::Unknown { owner: holder, n: last, .. }
        | State::Settled { owner: holder, n: last }
        | State::Cleared { owner: holder, n: last, .. }
            if (holder, last) == (owner, n) =>
        {
            let completed = State::Completed { owner, n, response };
            Transition::Write(record.become_at(completed, now), OwnerVerdict::Stored)
        }
        _ => lost(record),
    }
}

fn release(record: &Record, owner: Owner, n: u32, now: Timestamp) -> Transition<OwnerVerdict> {
    let undecided = match record.state {
        State::Running { owner: holder, n: last, undecided }
        | State::Unknown { owner: holder, n: last, undecided, .. }
            if (holder, last) == (owner, n) =>
        {
            undecided
        }
        State::Cleared { owner: holder, n: last, undecided } if (holder, last) == (owner, n) => {
            let verdict = if undecided { OwnerVerdict::StillUnknown } else { released };
            return Transition::Unchanged(verdict(record.clone()));
        }
        _ => return lost(record),
    };
    // Under marker every number below a committed one has a row, or the number could act after the store has
    // lost its records. The owner fences the number at once.
    let needs_row = record.policy.on_unknown == OnUnknown::Marker && n > 1;
    if undecided || needs_row {
        return match to_unknown(record, Reason::Unreachable, now) {
            Some(unknown) => Transition::Write(unknown, OwnerVerdict::StillUnknown),
            None => Transition::Unchanged(OwnerVerdict::StillUnknown(record.clone())),
        };
    }
    if n > 1 {
        let cleared = record.become_at(State::Cleared { owner, n, undecided }, now);
        return Transition::Write(cleared, released);
    }
    Transition::Remove(OwnerVerdict::Released(None))
}

fn released(cleared: Record) -> OwnerVerdict {
    OwnerVerdict::Released(Some(cleared))
}

fn lose(record: &Record, owner: Owner, n: u32, reason: Reason, now: Timestamp) -> Transition<OwnerVerdict> {
    match record.state {
        State::Running { owner: holder, n: last, .. } if (holder, last) == (owner, n) => {
            match to_unknown(record, reason, now) {
                Some(unknown) => Transition::Write(unknown, OwnerVerdict::Unknown),
                None => Transition::Unchanged(OwnerVerdict::Unknown(record.clone())),
            }
        }
        State::Unknown { owner: holder, n: last, .. } if (holder, last) == (owner, n) => {
            Transition::Unchanged(OwnerVerdict::Unknown(record.clone()))
        }
        _ => lost(record),
    }
}

impl Step for TakeOver {
    type Verdict = TakeOverVerdict;

    fn kind(&self) -> StepKind {
        StepKind::TakeOver
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<TakeOverVerdict> {
        let Self { owner, after, n } = *self;
        let Some(record) = current(stored, now) else {
            return Transition::Unchanged(TakeOverVerdict::Lost(None));
        };
        match record.state {
            // Its own take-over. The answer to it was lost.
            State::Running { owner: holder, .. } if holder == owner => {
                Transition::Unchanged(TakeOverVerdict::Won(record.into_owned()))
            }
            State::Unknown { owner: holder, n: last, .. }
                if (holder, last) == (after, n) && record.may_run_again(now) =>
            {
                let running = State::Running { owner, n: following(n), undecided: true };
                Transition::Write(record.become_at(running, now), TakeOverVerdict::Won)
            }
            State::Cleared { owner: holder, n: last, undecided } if (holder, last) == (after, n) => {
                let running = State::Running { owner, n: following(n), undecided };
                Transition::Write(record.become_at(running, now), TakeOverVerdict::Won)
            }
            _ => Transition::Unchanged(TakeOverVerdict::Lost(Some(record.into_owned()))),
        }
    }
}

impl Step for Settle {
    type Verdict = SettleVerdict;

    fn kind(&self) -> StepKind {
        StepKind::Settle
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<SettleVerdict> {
        let Self { owner, n, evidence } = *self;
        let Some(record) = current(stored, now) else {
            return Transition::Unchanged(SettleVerdict::Lost(None));
        };
        match record.state {
            State::Unknown { owner: holder, n: last, quiet_at, .. }
                if (holder, last) == (owner, n)
                    && record.policy.on_unknown.has_evidence()
                    && is_in_time(evidence, quiet_at, now) =>
            {
                let decided = match evidence {
                    Evidence::Executed(response) => executed(owner, n, response),
                    Evidence::NotExecuted { fenced } => State::Cleared { owner, n, undecided: !fenced },
                };
                Transition::Write(record.become_at(decided, now), SettleVerdict::Settled)
            }
            _ => Transition::Unchanged(SettleVerdict::Lost(Some(record.into_owned()))),
        }
    }
}

/// Tells whether evidence may decide now. Until the deadline a call can be under way, so only a fence shows
/// that it will not act.
fn is_in_time(evidence: Evidence, quiet_at: Timestamp, now: Timestamp) -> bool {
    match evidence {
        Evidence::Executed(_) | Evidence::NotExecuted { fenced: true } => true,
        Evidence::NotExecuted { fenced: false } => now >= quiet_at,
    }
}

fn refused(refusal: Refusal) -> Transition<OperatorVerdict> {
    Transition::Unchanged(OperatorVerdict::Refused(refusal))
}

impl Step for Resolution {
    type Verdict = OperatorVerdict;

    fn kind(&self) -> StepKind {
        StepKind::Resolve
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<OperatorVerdict> {
        let Some(record) = current(stored, now) else { return refused(Refusal::Absent) };
        let State::Unknown { owner, n, undecided, reason, quiet_at } = record.state else {
            return refused(Refusal::WrongState(record.into_owned()));
        };
        let decided = match *self {
            Self::Executed(response) => executed(owner, n, response),
            Self::NotExecuted { force } if force || now >= quiet_at => {
                State::Cleared { owner, n, undecided: false }
            }
            Self::NotExecuted { .. } => {
                return refused(Refusal::TooEarly { record: record.into_owned(), until: quiet_at });
            }
        };
        // A response that clients may have got is never taken back.
        let can_reopen = !matches!(decided, State::Completed { .. });
        let doubt = can_reopen.then(|| Box::new(Doubt { undecided, reason, quiet_at }));
        let decided = Record { kept: None, doubt, ..record.become_at(decided, now) };
        Transition::Write(decided, OperatorVerdict::Decided)
    }
}

impl Step for Reopen {
    type Verdict = OperatorVerdict;

    fn kind(&self) -> StepKind {
        StepKind::Reopen
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<OperatorVerdict> {
        let Some(record) = current(stored, now) else { return refused(Refusal::Absent) };
        match (record.state, record.doubt.as_deref()) {
            (State::Cleared { owner, n, .. } | State::Settled { owner, n }, Some(doubt)) => {
                let Doubt { undecided, reason, quiet_at } = *doubt;
                let unknown = State::Unknown { owner, n, undecided, reason, quiet_at };
                Transition::Write(record.become_at(unknown, now), OperatorVerdict::Decided)
            }
            _ => refused(Refusal::WrongState(record.into_owned())),
        }
    }
}

impl<S: Step> Step for Signed<S> {
    type Verdict = S::Verdict;

    fn kind(&self) -> StepKind {
        self.step.kind()
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<S::Verdict> {
        self.step.decide(stored, now)
    }

    fn signature(&self) -> Option<&Signature> {
        Some(&self.signature)
    }
}

impl Step for Delete {
    type Verdict = OperatorVerdict;

    fn kind(&self) -> StepKind {
        StepKind::Delete
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<OperatorVerdict> {
        let Some(record) = current(stored, now) else { return refused(Refusal::Absent) };
        match record.state {
            State::Completed { n, .. } | State::Settled { n, .. } => {
                let expired = State::Expired { n, executed: Executed::Yes };
                Transition::Write(record.become_at(expired, now), OperatorVerdict::Decided)
            }
            _ => refused(Refusal::WrongState(record.into_owned())),
        }
    }
}

impl Step for Sweep {
    type Verdict = SweepVerdict;

    fn kind(&self) -> StepKind {
        StepKind::Sweep
    }

    fn decide(&self, stored: Option<&Record>, now: Timestamp) -> Transition<SweepVerdict> {
        let Some(record) = stored else { return Transition::Unchanged(SweepVerdict::Nothing) };
        if let State::Running { .. } = record.state {
            return match lapse(record, now) {
                Some(unknown) => Transition::Write(unknown, SweepVerdict::Lapsed),
                None => Transition::Unchanged(SweepVerdict::Nothing),
            };
        }
        match record.at(now) {
            None => Transition::Remove(SweepVerdict::Forgotten),
            Some(standing) if standing.revision == record.revision => {
                Transition::Unchanged(SweepVerdict::Nothing)
            }
            Some(expired) => Transition::Write(expired.into_owned(), SweepVerdict::Retired),
        }
    }
}

/// Returns the number of the execution after the `n`th. No client reaches the largest number, but a damaged
/// record may hold it, and a number must not go back.
fn following(n: u32) -> u32 {
    n.saturating_add(1)
}

fn executed(owner: Owner, n: u32, response: Option<ResponseRef>) -> State {
    match response {
        Some(response) => State::Completed { owner, n, response },
        None => State::Settled { owner, n },
    }
}

/// Returns the unknown record that a running one becomes once its lease is over, or `None` before that.
fn lapse(record: &Record, now: Timestamp) -> Option<Record> {
    if now < record.lease_until()? {
        return None;
    }
    to_unknown(record, Reason::LeaseOver, now)
}

/// Returns the unknown record that a running one becomes, or `None` if the record is not running.
fn to_unknown(record: &Record, reason: Reason, now: Timestamp) -> Option<Record> {
    let State::Running { owner, n, undecided } = record.state else { return None };
    // The clock may have stepped over the end of the lease while the call ran.
    let quiet_at = record.lease_until()?.max(now).plus(record.policy.response_timeout);
    Some(record.become_at(State::Unknown { owner, n, undecided, reason, quiet_at }, now))
}

#[cfg(test)]
mod tests;
