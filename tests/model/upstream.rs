//! The upstream, which may act on a request at any time after it was sent, or never.

use oncegate::protocol::{Called, OnUnknown};

use crate::Protocol;
use crate::world::{CONFLICT, EXECUTED, Phase, Request, World};

impl Protocol {
    /// Lets the request of `who` reach the upstream. The upstream acts, unless a marker row or its own key
    /// says that it must not.
    pub fn execute(&self, world: &mut World, who: usize) {
        if self.policy.on_unknown == OnUnknown::Marker && !world.table.arrive(who) {
            return answered(world, who, Request::Conflicted);
        }
        if world.keys.arrive() {
            world.history.acts(who);
        } else {
            world.history.repeats |= 1 << who;
        }
        answered(world, who, Request::Executed);
    }

    /// Lets the upstream refuse the request of `who` with a status that says that it did not act.
    pub fn refuse(&self, world: &mut World, who: usize) {
        world.table.refuse(who);
        answered(world, who, Request::Refused);
    }

    /// Lets the upstream say that it works on another request with the key of `who`.
    pub fn collide(&self, world: &mut World, who: usize) {
        answered(world, who, Request::Conflicted);
    }

    /// Lets the upstream's response reach the gateway.
    pub fn answer(&self, world: &mut World, who: usize) {
        let attempt = &world.attempts[who];
        let is_marked = self.policy.on_unknown == OnUnknown::Marker;
        let (status, conflict) = match attempt.request {
            Request::Executed => (EXECUTED, false),
            Request::Refused => (429, false),
            Request::Conflicted => (CONFLICT, is_marked),
            Request::None | Request::OnTheWay => return,
        };
        self.found(world, who, Called::Answered { status, retained: true, conflict });
    }
}

/// Records the upstream's response, which matters only if an attempt waits for it.
fn answered(world: &mut World, who: usize, answer: Request) {
    let attempt = &mut world.attempts[who];
    let waits = matches!(attempt.phase, Phase::Calling { .. });
    attempt.request = if waits { answer } else { Request::None };
}
