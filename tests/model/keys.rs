//! The upstream's own keys: it remembers the key of an execution for a while, and answers a repeated request
//! with the first answer.

use crate::world::{ATTEMPTS, Attempt, Request, World};

/// The time, in ticks, within which a call ends: from the write that began its execution to the last moment at
/// which the upstream can act on its request.
const CALL: u8 = 1;

/// The upstream's memory, and the ages of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keys {
    /// Number of ticks for which the upstream remembers a key. With 0 it honours no key.
    lasting: u8,
    /// True if no request is on its way for longer than a call may last.
    calls_end: bool,
    /// Number of ticks for which the upstream still remembers the key. With 0 it does not know the key.
    left: u8,
    /// Number of ticks since the execution of each attempt began.
    ages: [u8; ATTEMPTS],
}

impl Keys {
    /// Makes an upstream that honours its keys for this many ticks.
    pub fn lasting(ticks: u8, calls_end: bool) -> Self {
        Self { lasting: ticks, calls_end, ..Self::default() }
    }

    /// Lets a request with the key reach the upstream. Returns whether the upstream acts.
    pub fn arrive(&mut self) -> bool {
        if self.left > 0 {
            return false;
        }
        self.left = self.lasting;
        true
    }

    /// Tells whether the upstream honours keys at all.
    pub fn are_honoured(&self) -> bool {
        self.lasting > 0
    }

    /// Tells whether the call of `who` has lasted for too long to be sent.
    pub fn is_too_late(&self, who: usize) -> bool {
        self.ages[who] > CALL
    }
}

/// Lets a tick pass at the upstream.
pub fn tick(world: &mut World) {
    let keys = &mut world.keys;
    keys.left = keys.left.saturating_sub(1);
    if !keys.calls_end {
        return;
    }
    for (who, attempt) in world.attempts.iter_mut().enumerate() {
        let age = &mut keys.ages[who];
        *age = if attempt.can_act() { (*age + 1).min(CALL + 1) } else { 0 };
        if *age > CALL && attempt.request == Request::OnTheWay {
            attempt.request = Request::None;
            *age = 0;
        }
    }
}

/// Lets the execution of `who` begin.
pub fn begin(world: &mut World, who: usize) {
    world.keys.ages[who] = 0;
}

/// Forgets the ages of calls that are over.
pub fn forget(world: &mut World) {
    for (age, attempt) in world.keys.ages.iter_mut().zip(&world.attempts) {
        if !attempt.can_act() {
            *age = 0;
        }
    }
}

/// Tells whether the request of `who` meets another one with the same key that the upstream is working on.
pub fn can_collide(world: &World, who: usize) -> bool {
    let is_on_the_way = |attempt: &Attempt| attempt.request == Request::OnTheWay;
    let mut others = world.attempts.iter().enumerate().filter(|(other, _)| *other != who);
    world.keys.are_honoured() && others.any(|(_, attempt)| is_on_the_way(attempt))
}
