//! One state of the model: the record, the attempts, the writes under way, and the part of the past that is
//! needed to judge the next step.
//!
//! Time stands still at [`NOW`]. A tick moves all other times one step into the past. A time that lies so far
//! back that no rule can tell the difference is not moved any further. This keeps the number of states finite
//! without a last moment.

use std::time::Duration;

use oncegate::clock::Timestamp;
use oncegate::protocol::{
    Doubt, Evidence, OnUnknown, Owner, Policy, Record, Resolution, ResponseRef, Revision, State,
};

use crate::events::Verdict;
use crate::history::History;
use crate::keys::Keys;
use crate::marker::Table;
use crate::probe::Probe;

/// The only moment of the model.
pub const NOW: Timestamp = Timestamp(1_000);

/// The status of a response to an executed operation.
pub const EXECUTED: u16 = 201;

/// The status of a response about a marker row, or about the upstream's own key.
pub const CONFLICT: u16 = 409;

/// The number of attempts in a world. A model may use fewer.
pub const ATTEMPTS: usize = 3;

/// The id of every response that an operator supplies.
pub const FROM_OPERATOR: Owner = Owner([0xee; 16]);

/// The id of every response that a probe or a marker row brings.
pub const FROM_EVIDENCE: Owner = Owner([0xdd; 16]);

/// The whole state at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The stored part of the record of the only operation.
    pub record: Option<Kept>,
    /// The attempts, each at a gateway of its own.
    pub attempts: [Attempt; ATTEMPTS],
    /// A renewal, or a write without a waiting caller. It can land at any later time, or never.
    pub late: Option<Write>,
    /// Number of decisions that the operator may still make.
    pub decisions: u8,
    /// The answer to a client in the last step.
    pub told: Option<Told>,
    /// The part of the past that the rules need.
    pub history: History,
    /// The marker table, with the gateways that ask it. Used under `marker`.
    pub table: Table,
    /// The answer of a probe. Used under `probe`.
    pub probe: Probe,
    /// The keys that the upstream remembers. Used under `retry` with a window.
    pub keys: Keys,
}

/// The changing part of a [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// The revision of the record.
    pub revision: Revision,
    /// The time of the first claim, relative to [`NOW`]. It stands still at [`NOW`] unless the policy has a
    /// window.
    pub created_at: Timestamp,
    /// The time of the last update of the record, relative to [`NOW`].
    pub updated_at: Timestamp,
    /// The state of the record, with its time relative to [`NOW`].
    pub state: State,
    /// The doubt that an operator's decision has ended, with its time relative to [`NOW`].
    pub doubt: Option<Doubt>,
}

/// An HTTP request with the key, and the gateway that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The next action of the attempt.
    pub phase: Phase,
    /// The attempt's write that the store has not answered yet.
    pub pending: Option<Write>,
    /// The fate of the attempt's request.
    pub request: Request,
    /// Number of renewals that the attempt may still make.
    pub renewals: u8,
}

/// The progress of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The attempt claims. `missed` of its claims have stayed without an answer.
    Asking { missed: u8 },
    /// The attempt takes over from execution `n` of the owner `after`. `missed` of its claims and take-overs
    /// have stayed without an answer.
    TakingOver { after: Owner, n: u32, missed: u8 },
    /// The attempt runs execution `n` and has sent nothing yet. `undecided` says that an earlier execution
    /// is undecided.
    Ready { n: u32, undecided: bool },
    /// The request of the attempt is on its way to the upstream.
    Calling { n: u32, undecided: bool },
    /// The attempt fences its own execution, because the upstream answered with a refusal, or because nothing
    /// was sent.
    Fencing { n: u32 },
    /// The attempt reports an outcome to the store, until the store answers.
    Telling(Deed),
    /// The attempt sent nothing and told its client that the outcome is unknown. It now removes the claim
    /// that it may have left in the store.
    Abandoning,
    /// The attempt has answered. `said_no` is true if the answer was that nothing was executed.
    Done { said_no: bool },
}

/// The last answer to a client, as far as the properties need it.
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
    /// No request yet, or none that still matters.
    None,
    /// The request is on its way. The upstream may act on it at any time, or never.
    OnTheWay,
    /// The upstream acted on the request.
    Executed,
    /// The upstream did not act and never will: a status that the route lists as `release`.
    Refused,
    /// The upstream did not act, because of a marker row or of its own key: status 409.
    Conflicted,
}

/// An event and its sender. `who` is the attempt, and the owner of execution `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    Claim {
        who: usize,
    },
    Renew {
        who: usize,
        n: u32,
    },
    Complete {
        who: usize,
        n: u32,
        status: u16,
    },
    Release {
        who: usize,
        n: u32,
    },
    /// `refused` says that the upstream answered, with a status that is a refusal under other policies.
    Lose {
        who: usize,
        n: u32,
        refused: bool,
    },
    TakeOver {
        who: usize,
        after: Owner,
        n: u32,
    },
    /// `open` has a bit for each attempt that could still act when the evidence was taken.
    Settle {
        owner: Owner,
        n: u32,
        evidence: Evidence,
        open: u8,
    },
    Resolve(Resolution),
    Reopen,
    Delete,
    Sweep,
}

/// A decided compare-and-set on its way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// The event that led to the write.
    pub deed: Deed,
    /// The revision on which the write was decided. `None` expects that there is no record.
    pub expected: Option<Revision>,
    /// The new record. `None` removes the record.
    pub next: Option<Kept>,
    /// The verdict that holds once the write has landed.
    pub verdict: Verdict,
}

impl World {
    /// Makes the initial state.
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
            table: Table::default(),
            probe: Probe::default(),
            keys: Keys::default(),
        }
    }

    /// Gives the client of `who` its answer.
    pub fn tell(&mut self, who: usize, told: Told) {
        self.told = Some(told);
        self.attempts[who].enter(Phase::Done { said_no: told == Told::No });
    }

    /// Forgets the differences that only a comparison of revisions can see.
    ///
    /// A write that would lose its comparison is treated as refused: it can only lead to another decision, at
    /// any later time. All other writes were decided on the current revision, so one name serves for all of
    /// them. This holds as long as no revision comes back.
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

    /// Makes every time one tick older.
    pub fn tick(&mut self, policy: &Policy) {
        if let Some(kept) = &mut self.record {
            let older = kept.memory(policy) > NOW.since(kept.updated_at);
            kept.updated_at.0 -= u64::from(older);
            kept.approach();
            kept.age(policy);
            if older && kept.is_forgotten(policy) {
                self.history.end(&self.attempts);
                // No answer of a probe takes longer than a record lives.
                self.probe = Probe::default();
                if self.keys.calls_end {
                    // Nor does a write where calls end.
                    self.late = None;
                }
            }
        }
        let pending = self.attempts.iter_mut().filter_map(|attempt| attempt.pending.as_mut());
        for write in pending.chain(&mut self.late) {
            write.next.iter_mut().for_each(|next| {
                next.approach();
                if write.expected.is_some() {
                    next.age(policy);
                }
            });
        }
    }
}

impl Attempt {
    /// Tells whether the upstream may still act on a request of the attempt.
    pub fn can_act(&self) -> bool {
        self.request == Request::OnTheWay || matches!(self.phase, Phase::Ready { .. })
    }

    /// Tells whether the attempt has not yet done anything with a visible effect.
    pub fn is_new(&self) -> bool {
        self.phase == Phase::Asking { missed: 0 } && self.pending.is_none()
    }

    /// Continues with `phase`, and forgets the values that this phase cannot use.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.pending = None;
        if !matches!(phase, Phase::Ready { .. } | Phase::Calling { .. }) {
            if !matches!(self.request, Request::OnTheWay) {
                self.request = Request::None;
            }
            if !matches!(phase, Phase::Asking { .. } | Phase::TakingOver { .. }) {
                self.renewals = 0;
            }
        }
    }
}

impl Kept {
    /// Returns the stored part of `record`, as of a write that lands now.
    pub fn of(record: &Record) -> Self {
        let mut state = record.state;
        if let State::Unknown { quiet_at, .. } = &mut state {
            *quiet_at = (*quiet_at).max(NOW);
        }
        let later = |doubt: Doubt| Doubt { quiet_at: doubt.quiet_at.max(NOW), ..doubt };
        let doubt = record.doubt.as_deref().copied().map(later);
        Self { revision: record.revision, created_at: record.created_at, updated_at: NOW, state, doubt }
    }

    fn approach(&mut self) {
        let nearer = |quiet_at: Timestamp| Timestamp((quiet_at.0 - 1).max(NOW.0));
        if let State::Unknown { quiet_at, .. } = &mut self.state {
            *quiet_at = nearer(*quiet_at);
        }
        self.doubt.iter_mut().for_each(|doubt| doubt.quiet_at = nearer(doubt.quiet_at));
    }

    /// Lets the time since the first claim pass, as long as a window can tell the difference.
    fn age(&mut self, policy: &Policy) {
        if let OnUnknown::Retry { window: Some(window) } = policy.on_unknown
            && NOW.since(self.created_at) < window
        {
            self.created_at.0 -= 1;
        }
    }

    /// Tells whether the lease of a running record, or the first retention of another, is over.
    pub fn is_over(&self, policy: &Policy) -> bool {
        NOW >= self.updated_at.plus(match self.state {
            State::Running { .. } => policy.lease,
            State::Expired { .. } => policy.tombstone_ttl,
            _ => policy.ttl,
        })
    }

    /// Tells whether the tombstone is over as well.
    pub fn is_forgotten(&self, policy: &Policy) -> bool {
        !matches!(self.state, State::Running { .. }) && NOW >= self.updated_at.plus(self.memory(policy))
    }

    /// Returns the age after which more time makes no difference.
    fn memory(&self, policy: &Policy) -> Duration {
        match self.state {
            // The upstream's keys count how long ago a call began. A lapse counts from its own moment.
            State::Running { .. } => match policy.on_unknown {
                OnUnknown::Retry { window: Some(_) } => policy.lease + policy.response_timeout,
                _ => policy.lease,
            },
            State::Expired { .. } => policy.tombstone_ttl,
            _ => policy.ttl + policy.tombstone_ttl,
        }
    }
}

/// Returns the attempts that satisfy `holds`, one bit each.
pub fn bits(attempts: &[Attempt], holds: impl Fn(&Attempt) -> bool) -> u8 {
    attempts
        .iter()
        .enumerate()
        .filter(|(_, attempt)| holds(attempt))
        .fold(0, |bits, (who, _)| bits | 1 << who)
}

/// Returns the token of attempt `who`, which also names the response to its call.
pub fn owner(who: usize) -> Owner {
    Owner([u8::try_from(who + 1).expect("a few attempts"); 16])
}

/// Returns the attempt that has the token `owner`.
pub fn holder(owner: Owner) -> usize {
    usize::from(owner.0[0]) - 1
}

/// Returns the response with this id.
pub fn response(id: Owner) -> ResponseRef {
    ResponseRef { id, status: EXECUTED, retained: true }
}
