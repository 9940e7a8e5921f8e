//! The upstream's own keys: the upstream remembers the key of an execution for a while, and answers a
//! repeated request with the first answer.

use std::time::Duration;

use oncegate::protocol::{OnUnknown, Policy, State};

use crate::TICK;
use crate::world::{ATTEMPTS, NOW, Request, World};

/// The conduct of the upstream and of the network, and what the upstream knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keys {
    /// Number of ticks for which the upstream remembers a key. With 0 it honours no key.
    pub lasting: u8,
    /// True if a request is sent within the lease or not at all, and the upstream acts on it within the
    /// response timeout or not at all.
    pub calls_end: bool,
    /// The last part of the window, in ticks, in which no repeated request is sent any more.
    pub margin: u8,
    /// Number of ticks for which the upstream still remembers the key. With 0 it does not know the key.
    left: u8,
    /// The clock of each attempt.
    clocks: [Clock; ATTEMPTS],
}

/// The times of an attempt that has sent nothing yet, or has a request on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Clock {
    /// Number of ticks since the execution began, or since the request was sent.
    age: u8,
    /// Number of ticks until the window ends, for an execution that follows an undecided one.
    window: Option<u8>,
}

impl Keys {
    /// Lets a request with the key reach the upstream. Returns whether the upstream acts.
    pub fn arrive(&mut self) -> bool {
        if self.left > 0 {
            return false;
        }
        self.left = self.lasting;
        true
    }

    /// Tells whether the lease of `who` is over before it has sent its request.
    pub fn is_lease_over(&self, who: usize, policy: &Policy) -> bool {
        self.calls_end && self.clocks[who].age > ticks(policy.lease)
    }

    /// Tells whether the window in which `who` may send a repeated request is over.
    pub fn is_window_over(&self, who: usize) -> bool {
        self.clocks[who].window.is_some_and(|left| left <= self.margin)
    }

    /// Lets the request of `who` be sent.
    pub fn send(&mut self, who: usize) {
        self.clocks[who] = Clock::default();
    }
}

fn ticks(span: Duration) -> u8 {
    u8::try_from(span.as_millis() / TICK.as_millis()).expect("a few ticks")
}

/// Lets the execution of `who` begin. Its lease counts from the write that began it, also if the answer to
/// that write was lost.
pub fn begin(world: &mut World, who: usize, policy: &Policy) {
    let Some(kept) = world.record else { return };
    let window = match (kept.state, policy.on_unknown) {
        (State::Running { undecided: true, .. }, OnUnknown::Retry { window: Some(window) }) => {
            Some(ticks(kept.created_at.plus(window).since(NOW)))
        }
        _ => None,
    };
    let age = if world.keys.calls_end { ticks(NOW.since(kept.updated_at)) } else { 0 };
    world.keys.clocks[who] = Clock { age, window };
}

/// Lets a tick pass at the upstream, and for the calls.
pub fn tick(world: &mut World, policy: &Policy) {
    let World { keys, attempts, .. } = world;
    keys.left = keys.left.saturating_sub(1);
    let (lease, call) = (ticks(policy.lease), ticks(policy.response_timeout));
    for (clock, attempt) in keys.clocks.iter_mut().zip(attempts) {
        clock.window = clock.window.map(|left| left.saturating_sub(1));
        if keys.calls_end && attempt.can_act() {
            clock.age = (clock.age + 1).min(lease.max(call) + 1);
            if attempt.request == Request::OnTheWay && clock.age > call {
                attempt.request = Request::None;
            }
        }
    }
}

/// Forgets the clocks of attempts that have nothing more to send.
pub fn forget(world: &mut World) {
    for (clock, attempt) in world.keys.clocks.iter_mut().zip(&world.attempts) {
        if !attempt.can_act() {
            *clock = Clock::default();
        }
    }
}

/// Tells whether the request of `who` meets another one with the same key that the upstream is working on.
pub fn can_collide(world: &World, who: usize) -> bool {
    let mut others = world.attempts.iter().enumerate().filter(|(other, _)| *other != who);
    world.keys.lasting > 0 && others.any(|(_, attempt)| attempt.request == Request::OnTheWay)
}
