//! The possible next steps. None of them is forced: an attempt that takes no further step has crashed, an
//! attempt that takes it many ticks later was paused, and a request that stays on its way was lost.

use oncegate::protocol::{Called, Finding, Meaning, OnUnknown, Outcomes, Reason, Resolution, Sent, State};

use crate::store::Decided;
use crate::world::{Deed, FROM_OPERATOR, Phase, Request, World, owner, response};
use crate::{Protocol, keys, marker, probe};

/// A possible next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time passes.
    Tick,
    /// The sweeper advances the record.
    Sweep,
    /// An operator decides.
    Operate(Deed),
    /// The late write reaches the store.
    LandLate,
    /// An attempt reads the record and decides.
    Act(usize),
    /// The write of an attempt reaches the store, and the answer reaches the attempt.
    Land(usize),
    /// The write of an attempt gets no answer in time.
    MissAnswer(usize),
    /// An attempt gives up, because it stays unclear whether its claim was written.
    Abandon(usize),
    /// An attempt sends its request.
    Send(usize),
    /// An attempt provably cannot send its request.
    CannotSend(usize),
    /// An attempt renews its lease. The write lands at any later time.
    Renew(usize),
    /// The upstream acts on the request of an attempt.
    Execute(usize),
    /// The upstream refuses the request of an attempt.
    Refuse(usize),
    /// The request of an attempt meets another one with the same key, and the upstream says so.
    Collide(usize),
    /// The upstream's response arrives at an attempt.
    Answer(usize),
    /// No response arrives, because of a timeout or a reset.
    LoseAnswer(usize),
    /// A step around the marker table.
    Marker(marker::Step),
    /// A step of the probe.
    Probe(probe::Step),
}

impl Protocol {
    /// Collects every possible next step.
    pub fn steps(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend([Step::Tick, Step::Sweep]);
        if world.late.is_some() {
            steps.push(Step::LandLate);
        }
        if world.decisions > 0 {
            self.operations(world, steps);
        }
        match self.policy.on_unknown {
            OnUnknown::Marker => self.marker_steps(world, steps),
            OnUnknown::Probe => self.probe_steps(world, steps),
            OnUnknown::Hold | OnUnknown::Retry { .. } => {}
        }
        for (who, attempt) in world.attempts[..self.attempts].iter().enumerate() {
            // New attempts differ only in their token, so the first of them acts first.
            if attempt.is_new() && who > 0 && world.attempts[who - 1].is_new() {
                break;
            }
            self.attempt_steps(world, who, steps);
        }
    }

    fn attempt_steps(&self, world: &World, who: usize, steps: &mut Vec<Step>) {
        let attempt = &world.attempts[who];
        match attempt.phase {
            _ if attempt.pending.is_some() => {
                steps.push(Step::Land(who));
                steps.extend((who < self.unanswered).then_some(Step::MissAnswer(who)));
            }
            Phase::Asking { missed: 1 } | Phase::TakingOver { missed: 1, .. } => {
                steps.extend([Step::Act(who), Step::Abandon(who)]);
            }
            Phase::Asking { missed: 2.. } | Phase::TakingOver { missed: 2.., .. } => {
                steps.push(Step::Abandon(who));
            }
            Phase::Asking { .. } | Phase::TakingOver { .. } | Phase::Telling(_) | Phase::Abandoning => {
                steps.push(Step::Act(who));
            }
            Phase::Ready { .. } if self.is_too_late(world, who) => steps.push(Step::CannotSend(who)),
            Phase::Ready { .. } => steps.extend([Step::Send(who), Step::CannotSend(who)]),
            Phase::Calling { .. } => steps.extend([Step::Answer(who), Step::LoseAnswer(who)]),
            Phase::Fencing { .. } => steps.push(Step::Marker(marker::Step::FenceOwn(who))),
            Phase::Done { .. } => {}
        }
        if matches!(attempt.phase, Phase::Calling { .. }) && attempt.renewals > 0 {
            steps.push(Step::Renew(who));
        }
        if attempt.request == Request::OnTheWay {
            steps.extend([Step::Execute(who), Step::Refuse(who)]);
            steps.extend(keys::can_collide(world, who).then_some(Step::Collide(who)));
        }
    }

    /// Tells whether `who` may no longer send its request.
    fn is_too_late(&self, world: &World, who: usize) -> bool {
        let keys = &world.keys;
        keys.is_lease_over(who, &self.policy) || (self.looks_at_window && keys.is_window_over(who))
    }

    /// Collects the possible decisions of an operator.
    fn operations(&self, world: &World, steps: &mut Vec<Step>) {
        let Some(kept) = world.record else { return };
        match kept.state {
            State::Unknown { .. } => {
                let supplied = Some(response(FROM_OPERATOR));
                let executed = [None, supplied].map(Resolution::Executed);
                let not_executed = [false, true].map(|force| Resolution::NotExecuted { force });
                // Under `marker` the operator fences first.
                let is_fenced_first = self.policy.on_unknown == OnUnknown::Marker;
                let not_executed = not_executed.into_iter().filter(|_| !is_fenced_first);
                let resolutions = executed.into_iter().chain(not_executed);
                steps.extend(resolutions.map(|resolution| Step::Operate(Deed::Resolve(resolution))));
            }
            State::Completed { .. } | State::Settled { .. } => steps.push(Step::Operate(Deed::Delete)),
            _ => {}
        }
        steps.extend(kept.doubt.map(|_| Step::Operate(Deed::Reopen)));
    }

    /// Applies `step` to `world`.
    pub fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Tick => {
                world.tick(&self.policy);
                keys::tick(world, &self.policy);
            }
            Step::Sweep => self.apply(world, Deed::Sweep),
            Step::Operate(deed) => self.operate(world, deed),
            Step::LandLate => {
                if let Some(write) = world.late.take() {
                    self.land(world, &write);
                }
            }
            Step::Act(who) => self.act(world, who),
            Step::Land(who) => self.land_pending(world, who),
            Step::MissAnswer(who) => self.miss_answer(world, who),
            Step::Abandon(who) => world.attempts[who].enter(Phase::Abandoning),
            Step::Send(_) | Step::CannotSend(_) | Step::Renew(_) | Step::LoseAnswer(_) => {
                self.call(world, step)
            }
            Step::Execute(who) => self.execute(world, who),
            Step::Refuse(who) => self.refuse(world, who),
            Step::Collide(who) => self.collide(world, who),
            Step::Answer(who) => self.answer(world, who),
            Step::Marker(step) => self.take_marker(world, step),
            Step::Probe(step) => self.take_probe(world, step),
        }
    }

    fn operate(&self, world: &mut World, deed: Deed) {
        world.decisions -= 1;
        self.apply(world, deed);
    }

    /// Applies a step of an attempt that runs an execution.
    fn call(&self, world: &mut World, step: Step) {
        let (Step::Send(who) | Step::CannotSend(who) | Step::Renew(who) | Step::LoseAnswer(who)) = step
        else {
            return;
        };
        let (Phase::Ready { n, undecided } | Phase::Calling { n, undecided }) = world.attempts[who].phase
        else {
            return;
        };
        match step {
            Step::Send(_) => {
                world.attempts[who].enter(Phase::Calling { n, undecided });
                world.attempts[who].request = Request::OnTheWay;
                world.keys.send(who);
                if self.policy.on_unknown == OnUnknown::Marker {
                    world.table.send(who, n);
                }
            }
            Step::Renew(_) => {
                world.attempts[who].renewals -= 1;
                if let Decided::Write(write) = self.decide(world, Deed::Renew { who, n }) {
                    world.late = Some(write);
                }
            }
            Step::CannotSend(_) => {
                self.found(world, who, Called::Failed { sent: Sent::Never, reason: Reason::Unreachable });
            }
            // The even attempts run out of time. The others get an answer of something on the way, which does
            // not say whether the upstream acted. Under `marker` no status says that, not even a refusal.
            _ if who.is_multiple_of(2) => {
                self.found(world, who, Called::Failed { sent: Sent::Maybe, reason: Reason::ResponseTimeout });
            }
            _ => {
                let status = if self.policy.on_unknown == OnUnknown::Marker { 429 } else { 503 };
                self.found(world, who, Called::Answered { status, retained: true, conflict: false });
            }
        }
    }

    /// Ends the call of `who`: the finding says what the attempt reports.
    pub fn found(&self, world: &mut World, who: usize, called: Called) {
        let (Phase::Ready { n, undecided } | Phase::Calling { n, undecided }) = world.attempts[who].phase
        else {
            return;
        };
        let outcomes = Outcomes::default();
        let is_marked = self.policy.on_unknown == OnUnknown::Marker;
        let finding = (self.finding)(owner(who), &self.policy, undecided, &outcomes, called);
        world.attempts[who].enter(match finding {
            Finding::Complete(response) => Phase::Telling(Deed::Complete { who, n, status: response.status }),
            Finding::Release => Phase::Telling(Deed::Release { who, n }),
            Finding::Lose(_) => {
                let refused = is_marked && is_refusal(&outcomes, called);
                Phase::Telling(Deed::Lose { who, n, refused })
            }
        });
    }
}

/// Tells whether the upstream answered with a status that is a refusal, and not with a conflict.
fn is_refusal(outcomes: &Outcomes, called: Called) -> bool {
    match called {
        Called::Answered { status, conflict, .. } => {
            !conflict && outcomes.meaning(status) == Meaning::Released
        }
        Called::Failed { .. } => false,
    }
}
