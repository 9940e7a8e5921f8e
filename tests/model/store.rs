//! The path of a decision to the record: read, decide with the protocol, compare the revision and set, and
//! decide again after a conflict. `Ledger` does the same over a real store.

use oncegate::protocol::{Claim, Reason, Record, ResponseRef, Standing, State};

use crate::Protocol;
use crate::events::{Event, Next, Told, Transition, Verdict};
use crate::world::{Deed, Kept, NOW, World, Write, owner, response};

/// A decision.
pub enum Decided {
    /// The verdict holds without a write.
    Stands(Verdict),
    /// The verdict holds after this write has landed.
    Write(Write),
}

impl Protocol {
    /// Reads the record and decides.
    pub fn decide(&self, world: &World, deed: Deed) -> Decided {
        let record = world.record.map(|kept| self.record(kept));
        let Transition { next, verdict } = (self.transition)(record.as_ref(), &self.event(deed), NOW);
        let next = match next {
            Next::Unchanged => return Decided::Stands(verdict),
            Next::Write(record) => Some(Kept::of(&record)),
            Next::Remove => None,
        };
        let expected = world.record.map(|kept| kept.revision);
        Decided::Write(Write { deed, expected, next, verdict })
    }

    /// Lets the store take a write, or refuse it because the record has changed. Returns true if the store
    /// took it.
    pub fn land(&self, world: &mut World, write: &Write) -> bool {
        let before = world.record;
        if self.compares && before.map(|kept| kept.revision) != write.expected {
            return false;
        }
        let after = write.next.map(|kept| {
            // The store stamps a record that it creates.
            let created_at = if before.is_none() { NOW } else { kept.created_at };
            Kept { created_at, updated_at: NOW, ..kept }
        });
        world.record = after;
        world.history.judge(write.deed, before, after, &self.policy);
        true
    }

    /// Reads, decides and writes in one step.
    pub fn apply(&self, world: &mut World, deed: Deed) {
        if let Decided::Write(write) = self.decide(world, deed) {
            self.land(world, &write);
        }
    }

    /// Returns the verdict from which an attempt answers after a lost comparison.
    pub fn standing(&self, world: &World) -> Option<Verdict> {
        let record = self.record(world.record?);
        let standing = Standing::of(record.at(NOW)?.into_owned());
        Some(standing.map_or(Verdict::Released, |standing| standing.told()))
    }

    /// Tells whether the sweep ends a running record once its lease is over.
    pub fn sweep_ends(&self, kept: Kept) -> bool {
        let record = self.record(kept);
        let Some(lease_until) = record.lease_until() else { return true };
        match (self.transition)(Some(&record), &Event::Sweep, lease_until).next {
            Next::Write(next) => !matches!(next.state, State::Running { .. }),
            Next::Unchanged | Next::Remove => false,
        }
    }

    /// Returns the record with this stored part.
    pub fn record(&self, kept: Kept) -> Record {
        let Kept { revision, created_at, updated_at, state, doubt } = kept;
        let doubt = doubt.map(Box::new);
        Record { revision, created_at, updated_at, state, doubt, ..self.claim.first(NOW) }
    }

    fn event(&self, deed: Deed) -> Event {
        match deed {
            Deed::Claim { who } => Event::Claim(Claim { owner: owner(who), ..self.claim.clone() }),
            Deed::Renew { who, n } => Event::Renew { owner: owner(who), n },
            Deed::Complete { who, n, status } => {
                let response = ResponseRef { status, ..response(owner(who)) };
                Event::Complete { owner: owner(who), n, response }
            }
            Deed::Release { who, n } => Event::Release { owner: owner(who), n },
            Deed::Lose { who, n, .. } => {
                Event::Lose { owner: owner(who), n, reason: Reason::ResponseTimeout }
            }
            Deed::TakeOver { who, after, n } => Event::TakeOver { owner: owner(who), after, n },
            Deed::Settle { owner, n, evidence, .. } => Event::Settle { owner, n, evidence },
            Deed::Resolve(resolution) => Event::Resolve(resolution),
            Deed::Reopen => Event::Reopen,
            Deed::Delete => Event::Delete,
            Deed::Sweep => Event::Sweep,
        }
    }
}
