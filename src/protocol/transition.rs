//! The state machine. One pure function, [`transition`], decides every step of every operation;
//! stores obey it, the gateway and the admin API carry its verdicts out.
//!
//! A caller that decides on a record read earlier and writes with a comparison on its revision is
//! safe: the only condition on time in here is "this moment has passed", which never becomes
//! false again.

use std::sync::Arc;

use crate::clock::Timestamp;

use super::{Executed, Fingerprint, OnUnknown, Owner, Policy, Reason, Record, ResponseRef, Revision, State};

/// What an attempt brings along when it asks to run.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The token of the execution that would run.
    pub owner: Owner,
    /// The route's namespace.
    pub namespace: Arc<str>,
    /// The route's name.
    pub route: Arc<str>,
    /// What the client asks now.
    pub fingerprint: Fingerprint,
    /// The route's policy, for a record that does not exist yet.
    pub policy: Policy,
}

impl Claim {
    /// The record of a first execution, as of `now`.
    #[must_use]
    pub fn first(&self, now: Timestamp) -> Record {
        Record {
            revision: Revision::first(self.owner),
            namespace: Arc::clone(&self.namespace),
            route: Arc::clone(&self.route),
            fingerprint: self.fingerprint.clone(),
            policy: self.policy,
            created_at: now,
            updated_at: now,
            state: State::Running { owner: self.owner, n: 1, undecided: false },
        }
    }
}

/// Something that happens to an operation. `n` is the execution that the sender means.
#[derive(Clone, Debug)]
pub enum Event {
    /// An attempt asks to run the operation, or to be told why not.
    Claim(Claim),
    /// The owner is still at it.
    Renew {
        /// Who.
        owner: Owner,
        /// Which execution.
        n: u32,
    },
    /// The owner has the upstream's answer.
    Complete {
        /// Who.
        owner: Owner,
        /// Which execution.
        n: u32,
        /// The answer.
        response: ResponseRef,
    },
    /// The owner knows that the upstream did not act.
    Release {
        /// Who.
        owner: Owner,
        /// Which execution.
        n: u32,
    },
    /// The owner will never know.
    Lose {
        /// Who.
        owner: Owner,
        /// Which execution.
        n: u32,
        /// Why.
        reason: Reason,
    },
    /// Time has passed: a lease that is over lapses, retention that is over ends.
    Sweep,
    /// An attempt runs an unknown operation again, where the record's policy allows that.
    TakeOver {
        /// The token of the new execution.
        owner: Owner,
        /// The unknown execution it follows.
        n: u32,
        /// Whether every undecided execution so far was fenced and so can no longer act.
        fenced: bool,
    },
    /// A probe or a marker row says that the unknown execution was executed.
    Settle {
        /// Which execution.
        n: u32,
        /// Its response, if that was found too.
        response: Option<ResponseRef>,
    },
    /// An operator decides an unknown outcome.
    Resolve(Resolution),
    /// An operator lets a response go before its time; the tombstone stays.
    Delete,
}

/// What an operator found out about an unknown operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// It was executed, with this response if that is known.
    Executed(Option<ResponseRef>),
    /// It was not executed, and the next attempt may run.
    NotExecuted {
        /// Decide although the call could still be under way. This ends "at most once".
        force: bool,
    },
}

/// What has to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, from the decision to the store; a box would cost more"
)]
pub enum Next {
    /// Nothing.
    Unchanged,
    /// This record in place of the old one.
    Write(Record),
    /// No record any more.
    Remove,
}

/// What the sender of the event may take from it, once [`Next`] is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The claim or take-over stands: this owner runs execution `n`.
    Won {
        /// The number of the execution.
        n: u32,
    },
    /// Another execution is believed alive.
    InFlight,
    /// Here is the stored response.
    Replay(ResponseRef),
    /// Executed, without a response to show.
    Settled,
    /// Nobody knows; what may be done is up to the record's policy.
    Unknown,
    /// Only the tombstone is left.
    Expired(Executed),
    /// The key belongs to a different request.
    Mismatch,
    /// The record was made under another fingerprint scheme: compare again under that one.
    OtherScheme,
    /// The lease is longer now.
    Renewed,
    /// The response is THE response.
    Stored,
    /// Not executed; the key is free for another execution.
    Released,
    /// This execution did not act, but an earlier one is still undecided.
    StillUnknown,
    /// The outcome is recorded as unknown.
    Held,
    /// The record has moved on without this owner: answer from the record.
    Lost,
    /// The operator's decision stands.
    Resolved,
    /// The operator's decision was refused.
    Refused(Refusal),
    /// The response is gone, the tombstone is left.
    Deleted,
    /// A lease lapsed into an unknown outcome.
    Lapsed,
    /// A response or an outcome became a tombstone.
    Retired,
    /// The tombstone ended.
    Forgotten,
    /// Nothing to do.
    Nothing,
}

/// Why an operator's decision was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no record.
    Absent,
    /// The record is not in a state that the decision applies to.
    WrongState(&'static str),
    /// The call could still be under way until then.
    TooEarly {
        /// When "not executed" can be decided without force.
        until: Timestamp,
    },
}

/// A decision: what to write, and what it means once it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What has to be written, with a comparison on the record that was decided on.
    pub next: Next,
    /// What holds once that is stored.
    pub verdict: Verdict,
}

impl Transition {
    fn write(record: Record, verdict: Verdict) -> Self {
        Self { next: Next::Write(record), verdict }
    }

    fn unchanged(verdict: Verdict) -> Self {
        Self { next: Next::Unchanged, verdict }
    }
}

/// Decides what `event` does to `record` at `now`, on the store's clock.
///
/// What is not listed in the protocol changes nothing. `now` may lag behind the moment the
/// decision is written, it must not run ahead of it.
#[must_use]
pub fn transition(record: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
    if let Event::Sweep = event {
        return sweep(record, now);
    }
    let standing = record.and_then(|record| record.at(now));
    let Some(record) = standing.as_deref() else {
        return on_absent(record, event, now);
    };
    match *event {
        Event::Claim(ref claim) => self::claim(record, claim, now),
        Event::Renew { owner, n } => renew(record, owner, n, now),
        Event::Complete { owner, n, response } => complete(record, owner, n, response, now),
        Event::Release { owner, n } => release(record, owner, n, now),
        Event::Lose { owner, n, reason } => lose(record, owner, n, reason, now),
        Event::TakeOver { owner, n, fenced } => take_over(record, owner, n, fenced, now),
        Event::Settle { n, response } => settle(record, n, response, now),
        Event::Resolve(resolution) => resolve(record, resolution, now),
        Event::Delete => delete(record, now),
        Event::Sweep => Transition::unchanged(Verdict::Nothing),
    }
}

/// What an attempt is told by a record it cannot claim; `InFlight` also for one whose lease is
/// over, because only a write makes that unknown.
#[must_use]
pub fn standing(record: &Record) -> Verdict {
    match record.state {
        State::Running { .. } => Verdict::InFlight,
        State::Completed { response, .. } => Verdict::Replay(response),
        State::Settled { .. } => Verdict::Settled,
        State::Unknown { .. } => Verdict::Unknown,
        State::Cleared { .. } => Verdict::Released,
        State::Expired { executed, .. } => Verdict::Expired(executed),
    }
}

/// Nothing is remembered any more; `forgotten` may still lie in the store.
fn on_absent(forgotten: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
    match event {
        Event::Claim(claim) => {
            let first = claim.first(now);
            let revision = forgotten.map_or(first.revision, |forgotten| forgotten.revision.next());
            Transition::write(Record { revision, ..first }, Verdict::Won { n: 1 })
        }
        // A release whose answer was lost, repeated. A later execution's leaves a cleared record.
        Event::Release { n: 1, .. } => Transition::unchanged(Verdict::Released),
        Event::Resolve(_) | Event::Delete => Transition::unchanged(Verdict::Refused(Refusal::Absent)),
        _ => Transition::unchanged(Verdict::Lost),
    }
}

fn claim(record: &Record, claim: &Claim, now: Timestamp) -> Transition {
    if let State::Running { owner, n, .. } = record.state
        && owner == claim.owner
    {
        return Transition::unchanged(Verdict::Won { n });
    }
    // What was asked counts once the outcome is decided: a release may leave the key to another request.
    if let State::Running { .. } = record.state {
        return match lapse(record, now) {
            Some(unknown) => {
                let verdict = other_request(&unknown, claim).unwrap_or(Verdict::Unknown);
                Transition::write(unknown, verdict)
            }
            None => Transition::unchanged(Verdict::InFlight),
        };
    }
    if let Some(other) = other_request(record, claim) {
        return Transition::unchanged(other);
    }
    match record.state {
        State::Cleared { n, .. } => {
            let n = following(n);
            let running = State::Running { owner: claim.owner, n, undecided: false };
            Transition::write(record.become_at(running, now), Verdict::Won { n })
        }
        _ => Transition::unchanged(standing(record)),
    }
}

/// What a claim is told whose request is not that of the record, or not comparable to it as it stands.
fn other_request(record: &Record, claim: &Claim) -> Option<Verdict> {
    if record.fingerprint.scheme != claim.fingerprint.scheme {
        Some(Verdict::OtherScheme)
    } else if record.fingerprint.digest != claim.fingerprint.digest {
        Some(Verdict::Mismatch)
    } else {
        None
    }
}

fn renew(record: &Record, owner: Owner, n: u32, now: Timestamp) -> Transition {
    match record.state {
        State::Running { owner: holder, n: running, .. } if (holder, running) == (owner, n) => {
            Transition::write(record.become_at(record.state, now), Verdict::Renewed)
        }
        _ => Transition::unchanged(Verdict::Lost),
    }
}

fn complete(record: &Record, owner: Owner, n: u32, response: ResponseRef, now: Timestamp) -> Transition {
    match record.state {
        State::Completed { owner: holder, n: done, response: kept } => {
            let same = (holder, done, kept.id) == (owner, n, response.id);
            Transition::unchanged(if same { Verdict::Stored } else { Verdict::Lost })
        }
        State::Running { owner: holder, n: last, .. }
        | State::Unknown { owner: holder, n: last, .. }
        | State::Settled { owner: holder, n: last }
        | State::Cleared { owner: holder, n: last }
            if (holder, last) == (owner, n) =>
        {
            let completed = State::Completed { owner, n, response };
            Transition::write(record.become_at(completed, now), Verdict::Stored)
        }
        _ => Transition::unchanged(Verdict::Lost),
    }
}

fn release(record: &Record, owner: Owner, n: u32, now: Timestamp) -> Transition {
    let undecided = match record.state {
        State::Running { owner: holder, n: last, undecided }
        | State::Unknown { owner: holder, n: last, undecided, .. }
            if (holder, last) == (owner, n) =>
        {
            undecided
        }
        State::Cleared { owner: holder, n: last } if (holder, last) == (owner, n) => {
            return Transition::unchanged(Verdict::Released);
        }
        _ => return Transition::unchanged(Verdict::Lost),
    };
    if undecided {
        return match to_unknown(record, Reason::Unreachable, now) {
            Some(unknown) => Transition::write(unknown, Verdict::StillUnknown),
            None => Transition::unchanged(Verdict::StillUnknown),
        };
    }
    if n > 1 {
        let cleared = record.become_at(State::Cleared { owner, n }, now);
        return Transition::write(cleared, Verdict::Released);
    }
    Transition { next: Next::Remove, verdict: Verdict::Released }
}

fn lose(record: &Record, owner: Owner, n: u32, reason: Reason, now: Timestamp) -> Transition {
    match record.state {
        State::Running { owner: holder, n: last, .. } if (holder, last) == (owner, n) => {
            match to_unknown(record, reason, now) {
                Some(unknown) => Transition::write(unknown, Verdict::Held),
                None => Transition::unchanged(Verdict::Held),
            }
        }
        State::Unknown { owner: holder, n: last, .. } if (holder, last) == (owner, n) => {
            Transition::unchanged(Verdict::Held)
        }
        _ => Transition::unchanged(Verdict::Lost),
    }
}

fn sweep(record: Option<&Record>, now: Timestamp) -> Transition {
    let Some(record) = record else {
        return Transition::unchanged(Verdict::Nothing);
    };
    if let State::Running { .. } = record.state {
        return match lapse(record, now) {
            Some(unknown) => Transition::write(unknown, Verdict::Lapsed),
            None => Transition::unchanged(Verdict::Nothing),
        };
    }
    match record.at(now) {
        None => Transition { next: Next::Remove, verdict: Verdict::Forgotten },
        Some(standing) if standing.revision == record.revision => Transition::unchanged(Verdict::Nothing),
        Some(expired) => Transition::write(expired.into_owned(), Verdict::Retired),
    }
}

fn take_over(record: &Record, owner: Owner, n: u32, fenced: bool, now: Timestamp) -> Transition {
    match record.state {
        // Its own take-over, whose answer was lost.
        State::Running { owner: holder, n: last, .. } if holder == owner => {
            Transition::unchanged(Verdict::Won { n: last })
        }
        State::Unknown { n: last, .. } if last == n && record.policy.on_unknown != OnUnknown::Hold => {
            let n = following(n);
            let running = State::Running { owner, n, undecided: !fenced };
            Transition::write(record.become_at(running, now), Verdict::Won { n })
        }
        _ => Transition::unchanged(Verdict::Lost),
    }
}

fn settle(record: &Record, n: u32, response: Option<ResponseRef>, now: Timestamp) -> Transition {
    match record.state {
        State::Unknown { owner, n: last, .. }
            if last == n && matches!(record.policy.on_unknown, OnUnknown::Probe | OnUnknown::Marker) =>
        {
            let settled = record.become_at(executed(owner, n, response), now);
            Transition::write(settled, Verdict::Settled)
        }
        _ => Transition::unchanged(Verdict::Lost),
    }
}

fn resolve(record: &Record, resolution: Resolution, now: Timestamp) -> Transition {
    let State::Unknown { owner, n, quiet_at, .. } = record.state else {
        let refusal = Refusal::WrongState(record.state.name());
        return Transition::unchanged(Verdict::Refused(refusal));
    };
    let decided = match resolution {
        Resolution::Executed(response) => executed(owner, n, response),
        Resolution::NotExecuted { force } if force || now >= quiet_at => State::Cleared { owner, n },
        Resolution::NotExecuted { .. } => {
            let refusal = Refusal::TooEarly { until: quiet_at };
            return Transition::unchanged(Verdict::Refused(refusal));
        }
    };
    Transition::write(record.become_at(decided, now), Verdict::Resolved)
}

fn delete(record: &Record, now: Timestamp) -> Transition {
    match record.state {
        State::Completed { n, .. } | State::Settled { n, .. } => {
            let expired = State::Expired { n, executed: Executed::Yes };
            Transition::write(record.become_at(expired, now), Verdict::Deleted)
        }
        _ => {
            let refusal = Refusal::WrongState(record.state.name());
            Transition::unchanged(Verdict::Refused(refusal))
        }
    }
}

/// The number of the execution after the `n`th. Nobody counts to the last number there is, but a damaged record may
/// have it, and a number must not go back.
fn following(n: u32) -> u32 {
    n.saturating_add(1)
}

fn executed(owner: Owner, n: u32, response: Option<ResponseRef>) -> State {
    match response {
        Some(response) => State::Completed { owner, n, response },
        None => State::Settled { owner, n },
    }
}

/// The unknown record that a running one becomes once its lease is over; `None` before that.
fn lapse(record: &Record, now: Timestamp) -> Option<Record> {
    if now < record.lease_until()? {
        return None;
    }
    to_unknown(record, Reason::LeaseOver, now)
}

/// The unknown record that a running one becomes; `None` unless it is running.
fn to_unknown(record: &Record, reason: Reason, now: Timestamp) -> Option<Record> {
    let State::Running { owner, n, undecided } = record.state else { return None };
    let quiet_at = record.lease_until()?.plus(record.policy.response_timeout);
    Some(record.become_at(State::Unknown { owner, n, undecided, reason, quiet_at }, now))
}

#[cfg(test)]
mod tests;
