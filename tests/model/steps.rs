//! The possible next steps. None of them is forced: an attempt that takes no further step has crashed, an
//! attempt that takes it many ticks later was paused, and a request that stays on its way was lost.

use oncegate::protocol::{Called, Finding, Outcomes, Reason, Resolution, Sent, State};

use crate::Protocol;
use crate::store::Decided;
use crate::world::{Attempt, Deed, FROM_OPERATOR, Phase, Request, World, owner, response};

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
    /// The upstream's response arrives at an attempt.
    Answer(usize),
    /// No response arrives, because of a timeout or a reset.
    LoseAnswer(usize),
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
        for (who, attempt) in world.attempts[..self.attempts].iter().enumerate() {
            // New attempts differ only in their token, so the first of them acts first.
            if attempt.is_new() && who > 0 && world.attempts[who - 1].is_new() {
                break;
            }
            self.attempt_steps(who, attempt, steps);
        }
    }

    fn attempt_steps(&self, who: usize, attempt: &Attempt, steps: &mut Vec<Step>) {
        match attempt.phase {
            _ if attempt.pending.is_some() => steps.extend([Step::Land(who), Step::MissAnswer(who)]),
            Phase::Asking { missed: 1 } => steps.extend([Step::Act(who), Step::Abandon(who)]),
            Phase::Asking { missed: 2.. } => steps.push(Step::Abandon(who)),
            Phase::Asking { .. } | Phase::Telling(_) | Phase::Abandoning => steps.push(Step::Act(who)),
            Phase::Ready { .. } => steps.extend([Step::Send(who), Step::CannotSend(who)]),
            Phase::Calling { .. } => steps.extend([Step::Answer(who), Step::LoseAnswer(who)]),
            Phase::Done { .. } => {}
        }
        if matches!(attempt.phase, Phase::Calling { .. }) && attempt.renewals > 0 {
            steps.push(Step::Renew(who));
        }
        if attempt.request == Request::OnTheWay {
            steps.extend([Step::Execute(who), Step::Refuse(who)]);
        }
    }

    /// Collects the possible decisions of an operator.
    fn operations(&self, world: &World, steps: &mut Vec<Step>) {
        let Some(kept) = world.record else { return };
        match kept.state {
            State::Unknown { .. } => {
                let supplied = Some(response(FROM_OPERATOR));
                let executed = [None, supplied].map(Resolution::Executed);
                let not_executed = [false, true].map(|force| Resolution::NotExecuted { force });
                let resolutions = executed.into_iter().chain(not_executed);
                steps.extend(resolutions.map(|resolution| Step::Operate(Deed::Resolve(resolution))));
            }
            State::Completed { .. } | State::Settled { .. } => steps.push(Step::Operate(Deed::Delete)),
            _ => {}
        }
    }

    /// Applies `step` to `world`.
    pub fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Tick => world.tick(&self.policy),
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
            Step::Answer(who) => self.answer(world, who),
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
        let (Phase::Ready { n } | Phase::Calling { n }) = world.attempts[who].phase else { return };
        match step {
            Step::Send(_) => {
                world.attempts[who].enter(Phase::Calling { n });
                world.attempts[who].request = Request::OnTheWay;
            }
            Step::Renew(_) => {
                world.attempts[who].renewals -= 1;
                if let Decided::Write(write) = self.decide(world, Deed::Renew { who, n }) {
                    world.late = Some(write);
                }
            }
            Step::CannotSend(_) => {
                self.found(world, who, n, Called::Failed { sent: Sent::Never, reason: Reason::Unreachable });
            }
            // The even attempts run out of time. The others get an answer of something on the way, which does
            // not say whether the upstream acted.
            _ if who.is_multiple_of(2) => {
                self.found(
                    world,
                    who,
                    n,
                    Called::Failed { sent: Sent::Maybe, reason: Reason::ResponseTimeout },
                );
            }
            _ => self.found(world, who, n, Called::Answered { status: 503, retained: true, conflict: false }),
        }
    }

    /// Ends the call of `who`: the finding says what the attempt reports.
    pub fn found(&self, world: &mut World, who: usize, n: u32, called: Called) {
        let deed = match (self.finding)(owner(who), &self.policy, false, &Outcomes::default(), called) {
            Finding::Complete(_) => Deed::Complete { who, n },
            Finding::Release => Deed::Release { who, n },
            Finding::Lose(_) => Deed::Lose { who, n },
        };
        world.attempts[who].enter(Phase::Telling(deed));
    }
}
