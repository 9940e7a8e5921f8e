//! One state of the model: the record, the attempts, the writes that are still under way, and what
//! has to be remembered to judge the next step.
//!
//! Time stands still at [`NOW`]. A tick moves everything else one step into the past, and what lies
//! so far back that no rule can tell the difference is not moved any further: that keeps the number
//! of states finite without a last moment.

use std::time::Duration;

use oncegate::clock::Timestamp;
use oncegate::protocol::{Owner, Policy, Record, Resolution, ResponseRef, Revision, State, Verdict};

use crate::history::History;

/// The only moment there is.
pub const NOW: Timestamp = Timestamp(1_000);

/// How many attempts a world has room for; a model may use fewer.
pub const ATTEMPTS: usize = 3;

/// The id of every response that an operator supplies.
pub const FROM_OPERATOR: Owner = Owner([0xee; 16]);

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What the store keeps of the one operation.
    pub record: Option<Kept>,
    /// The attempts, each at a gateway of its own.
    pub attempts: [Attempt; ATTEMPTS],
    /// A write nobody waits for any more, or a renewal. It can land at any later time, or never.
    pub late: Option<Write>,
    /// How often the operator may still act.
    pub decisions: u8,
    /// What the last step told a client.
    pub told: Option<Told>,
    /// What the rules need to know of the past.
    pub history: History,
}

/// The changing part of a [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// As in the record.
    pub revision: Revision,
    /// As in the record, relative to [`NOW`].
    pub updated_at: Timestamp,
    /// As in the record, its time relative to [`NOW`].
    pub state: State,
}

/// One HTTP request with the key, and the gateway that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// What it does next.
    pub phase: Phase,
    /// Its write that the store has not answered yet.
    pub pending: Option<Write>,
    /// What became of its request upstream.
    pub request: Request,
    /// How often it may still renew.
    pub renewals: u8,
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It claims. So many of its claims have stayed without answer.
    Asking { missed: u8 },
    /// It runs execution `n` and has not sent anything.
    Ready { n: u32 },
    /// Its request is on the way upstream.
    Calling { n: u32 },
    /// It tells the store what came of something, until the store answers.
    Telling(Deed),
    /// It sent nothing, told its client that it cannot know, and takes back what its claim may have
    /// left in the store.
    Abandoning,
    /// It has answered, and may have said that nothing was executed.
    Done { said_no: bool },
}

/// What a client was told at last, as far as the properties care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// The stored response to its own call.
    Stored,
    /// A stored response of another attempt or of an operator.
    Replayed,
    /// `executed: "yes"`, without a response.
    Yes,
    /// `executed: "no"`.
    No,
    /// `executed: "unknown"`.
    Unknown,
}

/// A request between a gateway and the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Nothing that matters any more, or nothing yet.
    None,
    /// Somewhere on the way: the upstream may act on it at any time, or never.
    OnTheWay,
    /// The upstream acted on it.
    Executed,
    /// The upstream did not act and never will: a status the route lists as `release`.
    Refused,
}

/// An event and who sends it. `who` is the attempt, and the owner of execution `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    Claim { who: usize },
    Renew { who: usize, n: u32 },
    Complete { who: usize, n: u32 },
    Release { who: usize, n: u32 },
    Lose { who: usize, n: u32 },
    Resolve(Resolution),
    Delete,
    Sweep,
}

/// A decided compare-and-set on its way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// What it does.
    pub deed: Deed,
    /// The revision it was decided on; `None` expects that there is no record.
    pub expected: Option<Revision>,
    /// What it puts there; `None` removes.
    pub next: Option<Kept>,
    /// What holds once it has landed.
    pub verdict: Verdict,
}

impl World {
    /// Nothing has happened yet.
    pub fn new(renewals: u8, decisions: u8) -> Self {
        let attempt =
            Attempt { phase: Phase::Asking { missed: 0 }, pending: None, request: Request::None, renewals };
        Self {
            record: None,
            attempts: [attempt.clone(), attempt.clone(), attempt],
            late: None,
            decisions,
            told: None,
            history: History::default(),
        }
    }

    /// `who` has answered.
    pub fn tell(&mut self, who: usize, told: Told) {
        self.told = Some(told);
        self.attempts[who].enter(Phase::Done { said_no: told == Told::No });
    }

    /// Forgets what only the comparison of revisions can tell apart.
    ///
    /// A write that has lost its comparison already is taken as refused: all that can come of it is
    /// another decision, at any later time. What is left was decided on the current revision, so
    /// that one name serves for all of them. This holds as long as no revision comes back.
    pub fn forget_revisions(&mut self) {
        let current = self.record.map(|kept| kept.revision);
        let stale = |write: &mut Write| write.expected.is_some() && write.expected != current;
        let same = Revision(0);
        for slot in self.attempts.iter_mut().map(|attempt| &mut attempt.pending).chain([&mut self.late]) {
            slot.take_if(stale);
            if let Some(write) = slot {
                write.expected = write.expected.map(|_| same);
                write.next.iter_mut().for_each(|next| next.revision = same.next());
            }
        }
        self.record.iter_mut().for_each(|kept| kept.revision = same);
    }

    /// Everything becomes one tick older.
    pub fn tick(&mut self, policy: &Policy) {
        if let Some(kept) = &mut self.record {
            let older = kept.memory(policy) > NOW.since(kept.updated_at);
            kept.updated_at.0 -= u64::from(older);
            kept.approach();
            if older && kept.is_forgotten(policy) {
                self.history.end(&self.attempts);
            }
        }
        let pending = self.attempts.iter_mut().filter_map(|attempt| attempt.pending.as_mut());
        for write in pending.chain(&mut self.late) {
            write.next.iter_mut().for_each(Kept::approach);
        }
    }
}

impl Attempt {
    /// Whether it has not done anything yet that anybody could notice.
    pub fn is_new(&self) -> bool {
        self.phase == Phase::Asking { missed: 0 } && self.pending.is_none()
    }

    /// Goes on with `phase`, and forgets what that phase cannot ask about.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.pending = None;
        if !matches!(phase, Phase::Ready { .. } | Phase::Calling { .. }) {
            if !matches!(self.request, Request::OnTheWay) {
                self.request = Request::None;
            }
            if !matches!(phase, Phase::Asking { .. }) {
                self.renewals = 0;
            }
        }
    }
}

impl Kept {
    /// The part of `record` that is kept, as of a write that lands now.
    pub fn of(record: &Record) -> Self {
        let mut state = record.state;
        if let State::Unknown { quiet_at, .. } = &mut state {
            *quiet_at = (*quiet_at).max(NOW);
        }
        Self { revision: record.revision, updated_at: NOW, state }
    }

    fn approach(&mut self) {
        if let State::Unknown { quiet_at, .. } = &mut self.state {
            *quiet_at = Timestamp((quiet_at.0 - 1).max(NOW.0));
        }
    }

    /// Whether the lease of a running record, or the first retention of another, is over.
    pub fn is_over(&self, policy: &Policy) -> bool {
        NOW >= self.updated_at.plus(match self.state {
            State::Running { .. } => policy.lease,
            State::Expired { .. } => policy.tombstone_ttl,
            _ => policy.ttl,
        })
    }

    /// Whether the tombstone is over too.
    pub fn is_forgotten(&self, policy: &Policy) -> bool {
        !matches!(self.state, State::Running { .. }) && NOW >= self.updated_at.plus(self.memory(policy))
    }

    /// After how long more time makes no difference.
    fn memory(&self, policy: &Policy) -> Duration {
        match self.state {
            State::Running { .. } => policy.lease + policy.response_timeout,
            State::Expired { .. } => policy.tombstone_ttl,
            _ => policy.ttl + policy.tombstone_ttl,
        }
    }
}

/// The token of attempt `who`, which also names the response to its call.
pub fn owner(who: usize) -> Owner {
    Owner([u8::try_from(who + 1).expect("a few attempts"); 16])
}

/// Whose token `owner` is.
pub fn holder(owner: Owner) -> usize {
    usize::from(owner.0[0]) - 1
}

/// The response with this id.
pub fn response(id: Owner) -> ResponseRef {
    ResponseRef { id, status: 201, retained: true }
}
