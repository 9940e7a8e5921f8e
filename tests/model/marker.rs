//! The upstream's marker table, and the gateways that fence executions in it.
//!
//! The upstream commits its effect and a row for the execution's id together. The id is the record's id and
//! the number, so a number that is used again after a loss of the store meets its old row. A row never
//! changes, and outlives the record.
//!
//! The upstream says of each conflict that it is one, so a response that completes an execution has a
//! committed row. A late completion that reads its row then learns nothing, and the model leaves this reading
//! out.

use oncegate::protocol::{Evidence, Resolution, State};

use crate::Protocol;
use crate::store::Decided;
use crate::world::{ATTEMPTS, Deed, FROM_EVIDENCE, NOW, Phase, Told, World, owner, response};

/// The behaviour of the gateways and of the upstream around the table. A test makes one of them wrong.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    /// True if a gateway fences only after the deadline.
    pub waits: bool,
    /// True if a fenced row is told from a commit.
    pub knows_fences: bool,
    /// True if an operator decides about the execution that was fenced, and about no other.
    pub decides_fenced: bool,
}

impl Conduct {
    /// The behaviour as it must be.
    pub const RIGHT: Self = Self { waits: true, knows_fences: true, decides_fenced: true };
}

/// Number of executions with a place for a row: an attempt whose first claim got no answer may claim twice.
const ROWS: usize = 2 * ATTEMPTS;

/// The marker table, and the questions that are under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Table {
    /// The rows of the executions, from the first.
    rows: [Option<Row>; ROWS],
    /// The number that the request of each attempt carries, 0 if none is on its way.
    sent: [u32; ATTEMPTS],
    /// The executions with a fence on its way, one bit each. A fence may arrive at any time, or never, and
    /// several gateways may send the same: a second one changes nothing.
    fences: u8,
    /// The execution that an operator has fenced, and whether the decision is forced.
    operator: Option<(u32, bool)>,
    /// Number of times that the store may still lose everything.
    pub wipes: u8,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// A fence of a gateway.
    Fenced,
    /// A commit of the upstream.
    Committed,
}

/// A step around the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A gateway sends a fence for the unknown execution.
    Ask,
    /// The fence for execution `n` reaches the table.
    Fence { n: u32 },
    /// A gateway that knows the row of execution `n` records the evidence. The write lands at any later time.
    ///
    /// A row never changes. So it does not matter which gateway asked, or how late its answer comes: each of
    /// them knows the same from the moment at which there is a row, and records it at any time, or never.
    Settle { n: u32, with_response: bool },
    /// An attempt fences its own execution, and gets the answer.
    FenceOwn(usize),
    /// An operator fences the unknown execution.
    OperatorFences { force: bool },
    /// The operator decides that the operation was not executed.
    OperatorDecides,
    /// The store loses everything.
    Wipe,
}

impl Table {
    /// Returns the row of execution `n`.
    pub fn row(&self, n: u32) -> Option<Row> {
        self.rows[n as usize - 1]
    }

    /// Inserts a row unless there is one. Returns the row that stands.
    fn insert(&mut self, n: u32, row: Row) -> Row {
        self.fences &= !(1 << n);
        *self.rows[n as usize - 1].get_or_insert(row)
    }

    /// Notes the number that the request of `who` carries.
    pub fn send(&mut self, who: usize, n: u32) {
        self.sent[who] = n;
    }

    /// Lets the request of `who` reach the upstream. Returns whether the upstream commits.
    pub fn arrive(&mut self, who: usize) -> bool {
        let n = std::mem::take(&mut self.sent[who]);
        let free = self.row(n).is_none();
        self.insert(n, Row::Committed);
        free
    }

    /// Lets the upstream refuse the request of `who`.
    pub fn refuse(&mut self, who: usize) {
        self.sent[who] = 0;
    }
}

impl Protocol {
    /// Collects the steps around the table.
    pub fn marker_steps(&self, world: &World, steps: &mut Vec<crate::steps::Step>) {
        let table = &world.table;
        let mut add = |step| steps.push(crate::steps::Step::Marker(step));
        if self.to_fence(world).is_some() {
            add(Step::Ask);
        }
        for n in (1..).take(ROWS) {
            match table.row(n) {
                None if table.fences & 1 << n != 0 => add(Step::Fence { n }),
                None => {}
                Some(row) => {
                    add(Step::Settle { n, with_response: false });
                    if row == Row::Committed {
                        add(Step::Settle { n, with_response: true });
                    }
                }
            }
        }
        if let (Some(State::Unknown { quiet_at, .. }), 1..) = (state(world), world.decisions) {
            add(Step::OperatorFences { force: true });
            if quiet_at <= NOW {
                add(Step::OperatorFences { force: false });
            }
        }
        if table.operator.is_some() {
            add(Step::OperatorDecides);
        }
        if table.wipes > 0 && world.record.is_some() {
            add(Step::Wipe);
        }
    }

    /// Returns the execution that a gateway may fence now. Where there is a row, it knows all.
    fn to_fence(&self, world: &World) -> Option<u32> {
        let n = match state(world)? {
            State::Unknown { n, quiet_at, .. } => (quiet_at <= NOW || !self.conduct.waits).then_some(n),
            State::Running { n, .. } => (!self.conduct.waits).then_some(n),
            _ => None,
        };
        n.filter(|n| world.table.row(*n).is_none())
    }

    /// Applies a step around the table.
    pub fn take_marker(&self, world: &mut World, step: Step) {
        match step {
            Step::Ask => {
                if let Some(n) = self.to_fence(world) {
                    world.table.fences |= 1 << n;
                }
            }
            Step::Fence { n } => {
                world.table.insert(n, Row::Fenced);
            }
            Step::Settle { n, with_response } => self.settle(world, n, with_response),
            Step::FenceOwn(who) => self.fence_own(world, who),
            Step::OperatorFences { force } => operator_fences(world, force),
            Step::OperatorDecides => self.operator_decides(world),
            Step::Wipe => {
                world.table.wipes -= 1;
                world.record = None;
                world.history.end(&world.attempts);
            }
        }
    }

    /// Returns what the row of execution `n` proves.
    fn evidence(&self, world: &World, n: u32, with_response: bool) -> Evidence {
        match world.table.row(n) {
            Some(Row::Committed) => Evidence::Executed(with_response.then(|| response(FROM_EVIDENCE))),
            _ if self.conduct.knows_fences => Evidence::NotExecuted { fenced: true },
            _ => Evidence::Executed(None),
        }
    }

    fn settle(&self, world: &mut World, n: u32, with_response: bool) {
        let Some(State::Unknown { owner, .. }) = state(world) else { return };
        let evidence = self.evidence(world, n, with_response);
        if let Decided::Write(write) = self.decide(world, Deed::Settle { owner, n, evidence, open: 0 }) {
            world.late = Some(write);
        }
    }

    /// Lets `who` fence its own execution after a refusal, or after it sent nothing, and then record the
    /// evidence.
    fn fence_own(&self, world: &mut World, who: usize) {
        let Phase::Fencing { n } = world.attempts[who].phase else { return };
        world.table.insert(n, Row::Fenced);
        let evidence = self.evidence(world, n, false);
        world.attempts[who].enter(Phase::Telling(Deed::Settle { owner: owner(who), n, evidence, open: 0 }));
    }

    fn operator_decides(&self, world: &mut World) {
        let Some((fenced, force)) = world.table.operator.take() else { return };
        let stands = matches!(state(world), Some(State::Unknown { n, .. }) if n == fenced);
        if stands || !self.conduct.decides_fenced {
            self.apply(world, Deed::Resolve(Resolution::NotExecuted { force }));
        }
    }
}

fn state(world: &World) -> Option<State> {
    world.record.map(|kept| kept.state)
}

/// Lets an operator fence the unknown execution. A commit refuses the decision.
fn operator_fences(world: &mut World, force: bool) {
    let Some(State::Unknown { n, .. }) = state(world) else { return };
    world.decisions -= 1;
    let row = world.table.insert(n, Row::Fenced);
    world.table.operator = (row == Row::Fenced).then_some((n, force));
}

/// Answers the client of `who` after it settled its own execution.
pub fn told_after_fence(world: &mut World, who: usize, evidence: Evidence) {
    let told = match evidence {
        Evidence::Executed(_) => {
            world.history.told_yes();
            Told::Yes
        }
        Evidence::NotExecuted { .. } => {
            world.history.told_no(&world.attempts);
            Told::No
        }
    };
    world.tell(who, told);
}
