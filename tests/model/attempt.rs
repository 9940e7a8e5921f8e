//! The reaction of an attempt to an answer: the gateway's part of the protocol.

use oncegate::protocol::{Executed, OnUnknown, State};

use crate::events::Verdict;
use crate::store::Decided;
use crate::world::{Deed, NOW, Phase, Told, World, holder, owner};
use crate::{Protocol, keys, marker};

impl Protocol {
    /// Lets attempt `who` read the record and decide its next step. A step without a write takes effect at
    /// once.
    pub fn act(&self, world: &mut World, who: usize) {
        let deed = match world.attempts[who].phase {
            Phase::Asking { .. } => Deed::Claim { who },
            Phase::TakingOver { after, n, .. } => Deed::TakeOver { who, after, n },
            Phase::Telling(deed) => deed,
            Phase::Abandoning => match world.record.map(|kept| kept.state) {
                Some(State::Running { owner, n, .. }) if holder(owner) == who => Deed::Release { who, n },
                _ => return world.tell(who, Told::Unknown),
            },
            Phase::Ready { .. } | Phase::Calling { .. } | Phase::Fencing { .. } | Phase::Done { .. } => {
                return;
            }
        };
        match self.decide(world, deed) {
            Decided::Stands(verdict) => self.conclude(world, who, deed, verdict),
            Decided::Write(mut write) => {
                // A repeated claim has a first revision of its own, as in `Ledger::claim`.
                if let (Phase::Asking { missed: 1.. }, None, Some(first)) =
                    (world.attempts[who].phase, write.expected, &mut write.next)
                {
                    first.revision = first.revision.for_repeated_claim();
                }
                world.attempts[who].pending = Some(write);
            }
        }
    }

    /// Lets the write of `who` reach the store and its answer reach `who`. After a conflict, `who` decides
    /// again.
    pub fn land_pending(&self, world: &mut World, who: usize) {
        let Some(write) = world.attempts[who].pending.take() else { return };
        if self.land(world, &write) {
            self.conclude(world, who, write.deed, write.verdict);
        }
    }

    /// Loses the answer to the write of `who`. The write may land later, or never.
    pub fn miss_answer(&self, world: &mut World, who: usize) {
        let attempt = &mut world.attempts[who];
        world.late = attempt.pending.take();
        if let Phase::Asking { missed } | Phase::TakingOver { missed, .. } = &mut attempt.phase {
            *missed += 1;
        }
    }

    /// Lets `who` act on a verdict that holds.
    fn conclude(&self, world: &mut World, who: usize, deed: Deed, verdict: Verdict) {
        let take_over = self.to_take_over(world, who, deed);
        let attempt = &mut world.attempts[who];
        match (deed, verdict) {
            // The client of this attempt got an answer long ago.
            _ if attempt.phase == Phase::Abandoning => world.tell(who, Told::Unknown),
            (_, Verdict::Won { n }) => self.begin(world, who, n),
            (Deed::Claim { .. } | Deed::TakeOver { .. }, Verdict::Unknown | Verdict::Lost)
                if let Some(next) = take_over =>
            {
                attempt.enter(next);
            }
            (Deed::Lose { n, refused: true, .. }, Verdict::Held) => attempt.enter(Phase::Fencing { n }),
            // Nothing was sent, but the number needs a row.
            (Deed::Release { n, .. }, Verdict::StillUnknown)
                if self.policy.on_unknown == OnUnknown::Marker =>
            {
                attempt.enter(Phase::Fencing { n });
            }
            (Deed::Settle { evidence, .. }, Verdict::Settled) => {
                marker::told_after_fence(world, who, evidence);
            }
            // Another execution is running, so a waiter asks again.
            (Deed::Claim { .. }, Verdict::InFlight) => {}
            (Deed::Complete { .. }, Verdict::Lost) if self.loser_insists => tell(world, who, Verdict::Stored),
            (_, Verdict::Lost) => {
                let standing = self.standing(world).unwrap_or(Verdict::Unknown);
                tell(world, who, standing);
            }
            (Deed::Release { .. }, Verdict::Released) => {
                world.history.told_no(&world.attempts);
                world.tell(who, Told::No);
            }
            _ => tell(world, who, verdict),
        }
    }

    /// Lets `who` run execution `n`.
    fn begin(&self, world: &mut World, who: usize, n: u32) {
        let undecided =
            matches!(world.record.map(|kept| kept.state), Some(State::Running { undecided: true, .. }));
        world.attempts[who].enter(Phase::Ready { n, undecided });
        keys::begin(world, who, &self.policy);
    }

    /// Returns what `who` does next after a claim or a take-over that was not won: it takes over from an
    /// unknown execution if the policy allows that now, and claims again after a lost take-over.
    fn to_take_over(&self, world: &World, who: usize, deed: Deed) -> Option<Phase> {
        let (Phase::Asking { missed } | Phase::TakingOver { missed, .. }) = world.attempts[who].phase else {
            return None;
        };
        if let Deed::TakeOver { .. } = deed {
            return Some(Phase::Asking { missed });
        }
        let record = self.record(world.record?);
        let may = matches!(self.policy.on_unknown, OnUnknown::Retry { .. })
            && (record.may_run_again(NOW) || !self.looks_at_window);
        let State::Unknown { owner: after, n, .. } = record.state else { return None };
        may.then_some(Phase::TakingOver { after, n, missed })
    }
}

/// Gives the client of `who` the answer that belongs to `verdict`.
fn tell(world: &mut World, who: usize, verdict: Verdict) {
    let stored = match verdict {
        Verdict::Stored => owner(who),
        Verdict::Replay(response) => response.id,
        Verdict::Settled | Verdict::Expired(Executed::Yes) => {
            world.history.told_yes();
            return world.tell(who, Told::Yes);
        }
        _ => return world.tell(who, Told::Unknown),
    };
    world.history.given(stored);
    world.tell(who, if stored == owner(who) { Told::Stored } else { Told::Replayed });
}
