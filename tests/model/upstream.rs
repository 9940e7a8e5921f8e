//! The upstream: it may act on a request at any time after that was sent, or never.

use crate::Protocol;
use crate::world::{Deed, Phase, Request, World};

impl Protocol {
    /// The upstream acts on the request of `who`.
    pub fn execute(&self, world: &mut World, who: usize) {
        world.history.effects |= 1 << who;
        answered(world, who, Request::Executed);
    }

    /// The upstream refuses the request of `who` with a status that says it did not act.
    pub fn refuse(&self, world: &mut World, who: usize) {
        answered(world, who, Request::Refused);
    }

    /// The upstream's answer reaches the gateway.
    pub fn answer(&self, world: &mut World, who: usize) {
        let attempt = &mut world.attempts[who];
        let Phase::Calling { n } = attempt.phase else { return };
        let deed = match attempt.request {
            Request::Executed => Deed::Complete { who, n },
            Request::Refused => Deed::Release { who, n },
            Request::None | Request::OnTheWay => return,
        };
        attempt.enter(Phase::Telling(deed));
    }
}

/// The upstream has an answer, which matters only to somebody who waits for it.
fn answered(world: &mut World, who: usize, answer: Request) {
    let attempt = &mut world.attempts[who];
    let waits = matches!(attempt.phase, Phase::Calling { .. });
    attempt.request = if waits { answer } else { Request::None };
}
