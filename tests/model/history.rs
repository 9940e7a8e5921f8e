//! The rules about single steps, and what has to be remembered to judge them.
//!
//! Every write that lands and every answer that is given passes through here. The rules are stated
//! on what stands before and after, without a look at how the protocol decides.

use oncegate::protocol::{Owner, Policy, Resolution, State};

use crate::world::{ATTEMPTS, Attempt, Deed, FROM_OPERATOR, Kept, NOW, Phase, Request, holder};

/// A rule about single steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rule {
    /// Until its ttl ends, a completed record changes by nothing but a delete.
    CompletedStays = 1,
    /// A write of an owner changes only a record that stands at its own execution.
    StaleChangesNothing = 1 << 1,
    /// An execution whose lease is live is ended by nobody but its owner.
    LeaseIsRespected = 1 << 2,
    /// One number is one owner's, and numbers only grow, while the record lives.
    NumberIsUnique = 1 << 3,
    /// Two answers given as stored are equal.
    AnswersAreEqual = 1 << 4,
    /// Who is told "not executed" is told the truth.
    NoIsTrue = 1 << 5,
    /// Who is told "executed", or given a stored response, is told the truth.
    YesIsTrue = 1 << 6,
    /// "Not executed" is decided without force only when the call is over.
    GuardHolds = 1 << 7,
}

/// What the past comes down to. All of it but `effects` and `broken` is about the record that lives
/// now, and ends with its tombstone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Whose requests the upstream acted on, a bit each.
    pub effects: u8,
    /// Whose executions stand outside of "at most once", a bit each: declared not executed by an
    /// operator, or of a time before the tombstone ended.
    pub outside: u8,
    /// Whether an operator said that the operation was executed.
    vouched: bool,
    /// The last execution number and whose it is.
    last: Option<(u32, Owner)>,
    /// The response in the first answer that was given as stored.
    answered: Option<Owner>,
    /// The rules that were broken, a bit each.
    broken: u8,
}

impl History {
    /// Whether `rule` was ever broken.
    pub fn broke(&self, rule: Rule) -> bool {
        self.broken & rule as u8 != 0
    }

    /// How many effects count against "at most one".
    pub fn effects_inside(&self) -> u32 {
        (self.effects & !self.outside).count_ones()
    }

    /// The tombstone has ended: what the attempts have done so far belongs to another life of the key.
    pub fn end(&mut self, attempts: &[Attempt]) {
        let acted = |attempt: &Attempt| {
            attempt.request != Request::None
                || matches!(attempt.phase, Phase::Ready { .. } | Phase::Calling { .. } | Phase::Telling(_))
        };
        let acting = attempts.iter().enumerate().filter(|(_, attempt)| acted(attempt));
        let outside = acting.fold(self.outside | self.effects, |bits, (who, _)| bits | 1 << who);
        *self = Self { effects: self.effects, outside, broken: self.broken, ..Self::default() };
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
                // It covers every execution so far that is undecided.
                self.outside |= if undecided { u8::MAX >> (8 - ATTEMPTS) } else { 1 << holder(owner) };
                self.check(Rule::GuardHolds, force || quiet_at <= NOW);
            }
            // Its own word that nothing was executed lets a number go.
            (Deed::Release { .. }, _) if after.is_none() => self.last = None,
            _ => {}
        }
        if let Some(State::Running { owner, n, .. }) = after.map(|after| after.state) {
            self.number(owner, n);
        }
    }

    /// What may happen to a record before its lease or its ttl is over.
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

    fn number(&mut self, owner: Owner, n: u32) {
        let rises = self.last.is_none_or(|(last, holder)| n > last || (n, owner) == (last, holder));
        self.check(Rule::NumberIsUnique, rises);
        self.last = Some((n, owner));
    }

    /// A client is given this response as the stored one.
    pub fn given(&mut self, id: Owner) {
        let first = *self.answered.get_or_insert(id);
        self.check(Rule::AnswersAreEqual, first == id);
        let known = match id {
            FROM_OPERATOR => self.vouched,
            owner => self.effects & 1 << holder(owner) != 0,
        };
        self.check(Rule::YesIsTrue, known);
    }

    /// A client is told that the operation was executed.
    pub fn told_yes(&mut self) {
        self.check(Rule::YesIsTrue, self.effects != 0 || self.vouched);
    }

    /// A client is told that the operation was not executed.
    pub fn told_no(&mut self) {
        self.check(Rule::NoIsTrue, self.effects_inside() == 0);
    }

    fn check(&mut self, rule: Rule, holds: bool) {
        if !holds {
            self.broken |= rule as u8;
        }
    }
}

impl Deed {
    /// The attempt that sends it.
    fn sender(self) -> Option<usize> {
        match self {
            Self::Claim { who }
            | Self::Renew { who, .. }
            | Self::Complete { who, .. }
            | Self::Release { who, .. }
            | Self::Lose { who, .. } => Some(who),
            Self::Resolve(_) | Self::Delete | Self::Sweep => None,
        }
    }

    /// Whether it may change a record in this state at all.
    fn applies_to(self, state: Option<State>) -> bool {
        use State::{Cleared, Running, Settled, Unknown};
        let whose = |who: usize, n: u32| move |owner: Owner, last: u32| (holder(owner), last) == (who, n);
        match (self, state) {
            (Self::Renew { who, n } | Self::Lose { who, n }, Some(Running { owner, n: last, .. })) => {
                whose(who, n)(owner, last)
            }
            (
                Self::Release { who, n },
                Some(Running { owner, n: last, .. } | Unknown { owner, n: last, .. }),
            ) => whose(who, n)(owner, last),
            (
                Self::Complete { who, n },
                Some(
                    Running { owner, n: last, .. }
                    | Unknown { owner, n: last, .. }
                    | Settled { owner, n: last }
                    | Cleared { owner, n: last },
                ),
            ) => whose(who, n)(owner, last),
            (Self::Claim { .. } | Self::Resolve(_) | Self::Delete | Self::Sweep, _) => true,
            _ => false,
        }
    }
}
