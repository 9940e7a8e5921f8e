//! The state machine. One pure function, [`transition`], decides every step of every operation. The stores
//! obey it, and the gateway and the admin API carry out its verdicts.
//!
//! A caller may decide on a record that it read earlier, if it writes with a comparison on the record's
//! revision. This is safe because the only condition on time in this module is "this moment has passed",
//! which never becomes false again.

use std::sync::Arc;

use crate::clock::Timestamp;

use super::{Executed, Fingerprint, OnUnknown, Owner, Policy, Reason, Record, ResponseRef, Revision, State};

/// The claim of an attempt that asks to run.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The token of the execution that would run.
    pub owner: Owner,
    /// The route's namespace.
    pub namespace: Arc<str>,
    /// The route's name.
    pub route: Arc<str>,
    /// The client's request, as a digest.
    pub fingerprint: Fingerprint,
    /// The route's policy, for a record that does not exist yet.
    pub policy: Policy,
}

impl Claim {
    /// Returns the record of a first execution, as of `now`.
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

/// An event of an operation. `n` is the number of the execution that the sender means.
#[derive(Clone, Debug)]
pub enum Event {
    /// A claim: an attempt asks to run the operation, or to get the reason why it may not.
    Claim(Claim),
    /// A renewal: the owner is still at work.
    Renew {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
    },
    /// A completion: the owner has the upstream's response.
    Complete {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// Response of the upstream.
        response: ResponseRef,
    },
    /// A release: the owner knows that the upstream did not act.
    Release {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
    },
    /// A loss: the owner will never know the outcome.
    Lose {
        /// Owner of the execution.
        owner: Owner,
        /// Number of the execution.
        n: u32,
        /// Cause of the unknown outcome.
        reason: Reason,
    },
    /// The passing of time: a lease that is over lapses, and a record expires or ends when its retention is
    /// over.
    Sweep,
    /// A take-over: an attempt runs an unknown operation again, if the record's policy allows it.
    TakeOver {
        /// Token of the new execution.
        owner: Owner,
        /// Number of the unknown execution that it follows.
        n: u32,
        /// True if every undecided execution so far was fenced and so can no longer act.
        fenced: bool,
    },
    /// A settlement: a probe or a marker row says that the unknown execution was executed.
    Settle {
        /// Number of the execution.
        n: u32,
        /// Response of the execution, if the response was found too.
        response: Option<ResponseRef>,
    },
    /// A resolution: an operator decides an unknown outcome.
    Resolve(Resolution),
    /// A deletion: an operator drops a response before its time. The tombstone stays.
    Delete,
}

/// The finding of an operator about an unknown operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// An executed operation, with its response if that is known.
    Executed(Option<ResponseRef>),
    /// An operation that was not executed. The next attempt may run.
    NotExecuted {
        /// True to decide although the call could still be under way. This ends "at most once".
        force: bool,
    },
}

/// The change to write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, from the decision to the store; a box would cost more"
)]
pub enum Next {
    /// No change.
    Unchanged,
    /// A record that replaces the old one.
    Write(Record),
    /// Removal of the record.
    Remove,
}

/// The meaning of the event for its sender, once [`Next`] is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A claim or take-over that stands: this owner runs execution `n`.
    Won {
        /// Number of the execution.
        n: u32,
    },
    /// Another execution that is believed alive.
    InFlight,
    /// The stored response.
    Replay(ResponseRef),
    /// An executed operation without a response to show.
    Settled,
    /// An unknown outcome. The record's policy says what may be done.
    Unknown,
    /// A tombstone without a response.
    Expired(Executed),
    /// A key that belongs to a different request.
    Mismatch,
    /// A record made under another fingerprint scheme. The caller compares again under that scheme.
    OtherScheme,
    /// A renewed lease, which now ends later.
    Renewed,
    /// A response that is now the stored response of the operation.
    Stored,
    /// An operation that was not executed. The key is free for another execution.
    Released,
    /// An execution that did not act, while an earlier execution is still undecided.
    StillUnknown,
    /// An outcome that is recorded as unknown.
    Held,
    /// A record that moved on without this owner. The caller answers from the record.
    Lost,
    /// An operator's decision that stands.
    Resolved,
    /// An operator's decision that was refused.
    Refused(Refusal),
    /// A deleted response. The tombstone is left.
    Deleted,
    /// A lease that lapsed into an unknown outcome.
    Lapsed,
    /// A response or an outcome that became a tombstone.
    Retired,
    /// A tombstone that ended.
    Forgotten,
    /// No effect.
    Nothing,
}

/// The reason why an operator's decision was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No record exists.
    Absent,
    /// A record in a state that the decision does not apply to.
    WrongState(&'static str),
    /// A call that could still be under way.
    TooEarly {
        /// Time from which "not executed" can be decided without force.
        until: Timestamp,
    },
}

/// A decision: the change to write, and its meaning once it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The change to write, with a comparison on the record that was decided on.
    pub next: Next,
    /// The verdict that holds once the change is stored.
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

/// Decides the effect of `event` on `record` at `now`, on the store's clock.
///
/// An event that the protocol does not list for a state changes nothing. `now` may lag behind the moment at
/// which the decision is written, but must not run ahead of it.
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

/// Returns the verdict for an attempt that cannot claim the record. The verdict is `InFlight` even if the
/// lease is over, because only a write makes the outcome unknown.
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

/// Decides on an operation without a record that still counts. `forgotten` is an ended record that no sweep
/// has removed yet.
fn on_absent(forgotten: Option<&Record>, event: &Event, now: Timestamp) -> Transition {
    match event {
        Event::Claim(claim) => {
            let first = claim.first(now);
            let revision = forgotten.map_or(first.revision, |forgotten| forgotten.revision.next());
            Transition::write(Record { revision, ..first }, Verdict::Won { n: 1 })
        }
        // A repeated release: the answer to the first one was lost. The release of a later execution leaves a
        // cleared record instead.
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
    // Requests are compared only once the outcome is decided: a release may leave the key to another request.
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

/// Returns the verdict for a claim with a request that differs from the record's, or cannot be compared with
/// it as it stands.
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
        // The owner's own take-over, repeated because the answer to it was lost.
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
    let quiet_at = record.lease_until()?.plus(record.policy.response_timeout);
    Some(record.become_at(State::Unknown { owner, n, undecided, reason, quiet_at }, now))
}

#[cfg(test)]
mod tests;
