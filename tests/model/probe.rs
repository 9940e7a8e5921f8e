//! The probe: a question to the upstream's ledger about the operation.
//!
//! The ledger is read at one moment. The answer arrives at any later time, or never. A request that was on
//! its way at that moment can act after it.

use oncegate::protocol::{Evidence, Owner, State};

use crate::Protocol;
use crate::store::Decided;
use crate::world::{Attempt, Deed, FROM_EVIDENCE, NOW, World, bits, response};

/// The answer of a probe on its way to the gateway. Another question replaces it: it is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Probe {
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Answer {
    /// Owner of the unknown execution.
    owner: Owner,
    /// Number of the unknown execution.
    n: u32,
    /// True if the ledger had the operation.
    executed: bool,
    /// The attempts with requests that could still act, one bit each.
    open: u8,
}

/// A step of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The upstream reads its ledger for a gateway.
    Read,
    /// The answer arrives, and the gateway records it, with the response if `true`. The write lands at any
    /// later time.
    Settle(bool),
}

impl Protocol {
    /// Collects the steps of the probe.
    pub fn probe_steps(&self, world: &World, steps: &mut Vec<crate::steps::Step>) {
        let mut add = |step| steps.push(crate::steps::Step::Probe(step));
        if self.unknown_to_probe(world).is_some() {
            add(Step::Read);
        }
        if let Some(answer) = world.probe.answer {
            add(Step::Settle(false));
            if answer.executed {
                add(Step::Settle(true));
            }
        }
    }

    /// Applies a step of the probe.
    pub fn take_probe(&self, world: &mut World, step: Step) {
        match step {
            Step::Read => self.read(world),
            Step::Settle(with_response) => self.settle_by_probe(world, with_response),
        }
    }

    fn settle_by_probe(&self, world: &mut World, with_response: bool) {
        let Some(Answer { owner, n, executed, open }) = world.probe.answer.take() else { return };
        let evidence = if executed {
            Evidence::Executed(with_response.then(|| response(FROM_EVIDENCE)))
        } else {
            Evidence::NotExecuted { fenced: false }
        };
        if let Decided::Write(write) = self.decide(world, Deed::Settle { owner, n, evidence, open }) {
            world.late = Some(write);
        }
    }

    /// Returns the state of an operation that is unknown and not yet forgotten.
    fn unknown_to_probe(&self, world: &World) -> Option<State> {
        let record = self.record(world.record?);
        let state = record.at(NOW)?.state;
        matches!(state, State::Unknown { .. }).then_some(state)
    }

    /// Reads the ledger. "Not executed" is believed only after the deadline.
    fn read(&self, world: &mut World) {
        let Some(State::Unknown { owner, n, quiet_at, .. }) = self.unknown_to_probe(world) else { return };
        let executed = world.history.effects != 0;
        if executed || quiet_at <= NOW {
            let open = if executed { 0 } else { bits(&world.attempts, Attempt::can_act) };
            world.probe.answer = Some(Answer { owner, n, executed, open });
        }
    }
}
