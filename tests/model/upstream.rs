//! The upstream, which may act on a request at any time after it was sent, or never.

use oncegate::protocol::Called;

use crate::Protocol;
use crate::world::{Phase, Request, World};

impl Protocol {
    /// Lets the upstream act on the request of `who`.
    pub fn execute(&self, world: &mut World, who: usize) {
        world.history.effects |= 1 << who;
        answered(world, who, Request::Executed);
    }

    /// Lets the upstream refuse the request of `who` with a status that says that it did not act.
    pub fn refuse(&self, world: &mut World, who: usize) {
        answered(world, who, Request::Refused);
    }

    /// Lets the upstream's response reach the gateway.
    pub fn answer(&self, world: &mut World, who: usize) {
        let attempt = &world.attempts[who];
        let Phase::Calling { n } = attempt.phase else { return };
        let status = match attempt.request {
            Request::Executed => 201,
            Request::Refused => 429,
            Request::None | Request::OnTheWay => return,
        };
        self.found(world, who, n, Called::Answered { status, retained: true, conflict: false });
    }
}

/// Records the upstream's response, which matters only if an attempt waits for it.
fn answered(world: &mut World, who: usize, answer: Request) {
    let attempt = &mut world.attempts[who];
    let waits = matches!(attempt.phase, Phase::Calling { .. });
    attempt.request = if waits { answer } else { Request::None };
}
