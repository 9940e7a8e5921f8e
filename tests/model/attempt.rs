//! What an attempt does with what it is told: the gateway's part of the protocol.

use oncegate::protocol::{Executed, State, Verdict};

use crate::Protocol;
use crate::store::Decided;
use crate::world::{Deed, Phase, Told, World, holder, owner};

impl Protocol {
    /// Attempt `who` reads the record and decides its next step. What needs no write takes effect
    /// at once.
    pub fn act(&self, world: &mut World, who: usize) {
        let deed = match world.attempts[who].phase {
            Phase::Asking { .. } => Deed::Claim { who },
            Phase::Telling(deed) => deed,
            Phase::Abandoning => match world.record.map(|kept| kept.state) {
                Some(State::Running { owner, n, .. }) if holder(owner) == who => Deed::Release { who, n },
                _ => return world.tell(who, Told::Unknown),
            },
            Phase::Ready { .. } | Phase::Calling { .. } | Phase::Done { .. } => return,
        };
        match self.decide(world, deed) {
            Decided::Stands(verdict) => self.conclude(world, who, deed, verdict),
            Decided::Write(mut write) => {
                // A repeated claim brings a first revision of its own, as in `Ledger::claim`.
                if let (Phase::Asking { missed: 1.. }, None, Some(first)) =
                    (world.attempts[who].phase, write.expected, &mut write.next)
                {
                    first.revision = first.revision.for_repeated_claim();
                }
                world.attempts[who].pending = Some(write);
            }
        }
    }

    /// The write of `who` reaches the store and the answer reaches `who`, which after a conflict
    /// decides again.
    pub fn land_pending(&self, world: &mut World, who: usize) {
        let Some(write) = world.attempts[who].pending.take() else { return };
        if self.land(world, &write) {
            self.conclude(world, who, write.deed, write.verdict);
        }
    }

    /// `who` gets no answer: its write may land later, or never.
    pub fn miss_answer(&self, world: &mut World, who: usize) {
        let attempt = &mut world.attempts[who];
        world.late = attempt.pending.take();
        if let Phase::Asking { missed } = &mut attempt.phase {
            *missed += 1;
        }
    }

    /// What `who` makes of a verdict that holds.
    fn conclude(&self, world: &mut World, who: usize, deed: Deed, verdict: Verdict) {
        let attempt = &mut world.attempts[who];
        match (deed, verdict) {
            // Its client was told long ago.
            _ if attempt.phase == Phase::Abandoning => world.tell(who, Told::Unknown),
            (_, Verdict::Won { n }) => attempt.enter(Phase::Ready { n }),
            // Another execution is alive: a waiter asks again.
            (Deed::Claim { .. }, Verdict::InFlight) => {}
            (Deed::Complete { .. }, Verdict::Lost) if self.loser_insists => tell(world, who, Verdict::Stored),
            (_, Verdict::Lost) => {
                let standing = self.standing(world).unwrap_or(Verdict::Unknown);
                tell(world, who, standing);
            }
            (Deed::Release { .. }, Verdict::Released) => {
                world.history.told_no();
                world.tell(who, Told::No);
            }
            _ => tell(world, who, verdict),
        }
    }
}

/// Gives the client of `who` the answer that `verdict` asks for.
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
