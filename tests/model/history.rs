//! The rules about single steps, and the part of the past that is needed to judge them.
//!
//! Every write that lands and every answer to a client passes through here. The rules compare the states
//! before and after a step, and ignore how the protocol decides.

use oncegate::protocol::{Evidence, OnUnknown, Owner, Policy, Resolution, State};

use crate::world::{
    ATTEMPTS, Attempt, Deed, FROM_EVIDENCE, FROM_OPERATOR, Kept, NOW, Phase, Request, bits, holder,
};

/// A rule about single steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Rule {
    /// Only a delete changes a completed record before its ttl ends.
    CompletedStays = 1,
    /// A write of an owner changes a record only while the record is about the owner's execution.
    StaleChangesNothing = 1 << 1,
    /// Only its owner ends an execution with a live lease.
    LeaseIsRespected = 1 << 2,
    /// While the record lives, each number has one owner, and numbers only grow.
    NumberIsUnique = 1 << 3,
    /// Two responses that are given as stored are equal.
    AnswersAreEqual = 1 << 4,
    /// A client that is told "not executed" is told the truth.
    NoIsTrue = 1 << 5,
    /// A client that is told "executed", or gets a stored response, is told the truth.
    YesIsTrue = 1 << 6,
    /// Without force, "not executed" is decided only after the call is over.
    GuardHolds = 1 << 7,
    /// Evidence that an operation was executed, or can never be, is true.
    EvidenceIsTrue = 1 << 8,
    /// A decision is taken back only if no later execution began and no client got a response.
    ReopenIsSafe = 1 << 9,
}

/// The relevant part of the past. All fields except `effects` and `broken` belong to the record that lives
/// now, and end with its tombstone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The attempts with requests on which the upstream acted, one bit each.
    pub effects: u8,
    /// The attempts with executions that do not count for "at most once", one bit each: an operator declared
    /// them not executed, or they ran before the tombstone ended.
    pub outside: u8,
    /// The attempts with a repeated answer: the upstream knew the key and did not act again. One bit each.
    pub repeats: u8,
    /// The attempts with executions that could still act when a probe found nothing, one bit each. Under
    /// `probe` they do not count for "at most once".
    pub raced: u8,
    /// The attempts with executions that could still act when a client was told "not executed", one bit each.
    denied: u8,
    /// True if an operator said that the operation was executed.
    vouched: bool,
    /// The last execution number and its owner.
    last: Option<(u32, Owner)>,
    /// The response in the first answer that was given as stored.
    answered: Option<Owner>,
    /// The rules that were broken, one bit each.
    broken: u16,
}

impl History {
    /// Tells whether `rule` was ever broken.
    pub fn broke(&self, rule: Rule) -> bool {
        self.broken & rule as u16 != 0
    }

    /// Returns the number of effects that count against "at most one".
    pub fn effects_inside(&self) -> u32 {
        (self.effects & !self.outside & !self.raced).count_ones()
    }

    /// Ends the tombstone: all earlier actions of the attempts belong to an earlier life of the key.
    pub fn end(&mut self, attempts: &[Attempt]) {
        let acted = |attempt: &Attempt| {
            attempt.request != Request::None
                || matches!(
                    attempt.phase,
                    Phase::Ready { .. } | Phase::Calling { .. } | Phase::Fencing { .. } | Phase::Telling(_)
                )
        };
        let outside = self.outside | self.effects | bits(attempts, acted);
        let Self { effects, repeats, broken, .. } = *self;
        *self = Self { effects, repeats, outside, broken, ..Self::default() };
    }

    /// Judges a write that lands: `deed` turns `before` into `after`.
    pub fn judge(&mut self, deed: Deed, before: Option<Kept>, after: Option<Kept>, policy: &Policy) {
        if let Some(before) = before.filter(|before| !before.is_over(policy)) {
            self.judge_early(deed, before.state, after);
        }
        self.check(Rule::StaleChangesNothing, deed.applies_to(before.map(|before| before.state)));
        match (deed, before.map(|before| before.state)) {
            (Deed::Resolve(Resolution::Executed(_)), _) => self.vouched = true,
            (
                Deed::Resolve(Resolution::NotExecuted { force }),
                Some(State::Unknown { owner, undecided, quiet_at, .. }),
            ) => {
                // The decision covers every undecided execution so far. Under `marker` it follows a fence,
                // and leaves nothing out of "at most once".
                if policy.on_unknown != OnUnknown::Marker {
                    self.outside |= if undecided { u8::MAX >> (8 - ATTEMPTS) } else { 1 << holder(owner) };
                }
                self.check(Rule::GuardHolds, force || quiet_at <= NOW);
                let is_evidence = policy.on_unknown == OnUnknown::Marker;
                self.check(Rule::EvidenceIsTrue, !is_evidence || self.effects & !self.outside == 0);
            }
            (Deed::Settle { evidence: Evidence::Executed(_), .. }, _) => {
                self.check(Rule::EvidenceIsTrue, self.effects != 0);
            }
            (Deed::Settle { evidence: Evidence::NotExecuted { .. }, open, .. }, _) => {
                self.check(Rule::EvidenceIsTrue, self.effects & !self.outside & !open == 0);
                self.raced |= open;
            }
            (Deed::Reopen, Some(before)) => self.judge_reopen(before, after),
            // If the owner says that its execution did nothing, the number may be used again.
            (Deed::Release { .. }, _) if after.is_none() => self.last = None,
            _ => {}
        }
        if let Some(State::Running { owner, n, .. }) = after.map(|after| after.state) {
            self.number(owner, n);
        }
    }

    /// Judges a change of a record before its lease or its ttl is over.
    fn judge_early(&mut self, deed: Deed, before: State, after: Option<Kept>) {
        match before {
            State::Completed { .. } => {
                let same = after.is_some_and(|after| after.state == before);
                self.check(Rule::CompletedStays, same || deed == Deed::Delete);
            }
            State::Running { owner, .. } => {
                self.check(Rule::LeaseIsRespected, deed.sender() == Some(holder(owner)));
            }
            _ => {}
        }
    }

    /// Judges that an operator's decision is taken back: the execution counts again, and the operator vouches
    /// for nothing.
    fn judge_reopen(&mut self, before: State, after: Option<Kept>) {
        let Some(State::Unknown { owner, n, undecided, .. }) = after.map(|after| after.state) else {
            self.check(Rule::ReopenIsSafe, false);
            return;
        };
        let same = before.owner() == Some(owner) && before.n() == n;
        self.check(Rule::ReopenIsSafe, same && self.last == Some((n, owner)) && self.answered.is_none());
        self.vouched = false;
        if !undecided {
            self.outside &= !(1 << holder(owner));
        }
    }

    fn number(&mut self, owner: Owner, n: u32) {
        let rises = self.last.is_none_or(|(last, holder)| n > last || (n, owner) == (last, holder));
        self.check(Rule::NumberIsUnique, rises);
        self.last = Some((n, owner));
    }

    /// Judges that a client gets this response as the stored one.
    pub fn given(&mut self, id: Owner) {
        let first = *self.answered.get_or_insert(id);
        self.check(Rule::AnswersAreEqual, first == id);
        let known = match id {
            FROM_OPERATOR => self.vouched,
            FROM_EVIDENCE => self.effects != 0,
            owner => (self.effects | self.repeats) & 1 << holder(owner) != 0,
        };
        self.check(Rule::YesIsTrue, known);
    }

    /// Judges that a client is told that the operation was executed.
    pub fn told_yes(&mut self) {
        self.check(Rule::YesIsTrue, self.effects != 0 || self.vouched);
    }

    /// Judges that a client is told that the operation was not executed.
    pub fn told_no(&mut self, attempts: &[Attempt]) {
        self.check(Rule::NoIsTrue, self.effects & !self.outside == 0);
        self.denied |= bits(attempts, Attempt::can_act) & !self.outside;
    }

    /// Records that the upstream acts on the request of `who`.
    pub fn acts(&mut self, who: usize) {
        self.check(Rule::NoIsTrue, self.denied & 1 << who == 0);
        self.effects |= 1 << who;
    }

    fn check(&mut self, rule: Rule, holds: bool) {
        if !holds {
            self.broken |= rule as u16;
        }
    }
}

impl Deed {
    /// Returns the attempt that sends the event.
    fn sender(self) -> Option<usize> {
        match self {
            Self::Claim { who }
            | Self::Renew { who, .. }
            | Self::Complete { who, .. }
            | Self::Release { who, .. }
            | Self::Lose { who, .. }
            | Self::TakeOver { who, .. } => Some(who),
            Self::Settle { .. } | Self::Resolve(_) | Self::Reopen | Self::Delete | Self::Sweep => None,
        }
    }

    /// Tells whether the event may change a record in this state at all.
    fn applies_to(self, state: Option<State>) -> bool {
        use State::{Cleared, Running, Settled, Unknown};
        let whose = |who: usize, n: u32| move |owner: Owner, last: u32| (holder(owner), last) == (who, n);
        match (self, state) {
            (Self::Renew { who, n } | Self::Lose { who, n, .. }, Some(Running { owner, n: last, .. })) => {
                whose(who, n)(owner, last)
            }
            (
                Self::Release { who, n },
                Some(Running { owner, n: last, .. } | Unknown { owner, n: last, .. }),
            ) => whose(who, n)(owner, last),
            (
                Self::Complete { who, n, .. },
                Some(
                    Running { owner, n: last, .. }
                    | Unknown { owner, n: last, .. }
                    | Settled { owner, n: last }
                    | Cleared { owner, n: last, .. },
                ),
            ) => whose(who, n)(owner, last),
            (
                Self::TakeOver { after, n, .. },
                Some(Unknown { owner, n: last, .. } | Cleared { owner, n: last, .. }),
            ) => (after, n) == (owner, last),
            (Self::Settle { owner, n, .. }, Some(Unknown { owner: holder, n: last, .. })) => {
                (owner, n) == (holder, last)
            }
            (Self::Reopen, Some(Settled { .. } | Cleared { .. })) => true,
            (Self::Claim { .. } | Self::Resolve(_) | Self::Delete | Self::Sweep, _) => true,
            _ => false,
        }
    }
}
