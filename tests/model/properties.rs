//! Properties that must hold in every state, and situations that must be possible at all.

use oncegate::protocol::{Executed, Reason, ResponseRef, State};
use stateright::Property;

use crate::Protocol;
use crate::history::Rule;
use crate::world::{
    CONFLICT, Deed, EXECUTED, FROM_EVIDENCE, FROM_OPERATOR, Kept, NOW, Phase, Request, Told, World,
};

pub const ONE_EFFECT: &str = "at most one effect";
pub const COMPLETED_STAYS: &str = "a completed record never changes until its ttl ends";
pub const STALE_CHANGES_NOTHING: &str = "a stale write changes nothing";
pub const LEASE_IS_RESPECTED: &str = "nobody ends an execution whose lease is live";
pub const NUMBER_IS_UNIQUE: &str = "an execution number is never given to two owners";
pub const ANSWERS_ARE_EQUAL: &str = "any two answers given as stored are equal";
pub const NO_IS_TRUE: &str = "nobody is told `no` when it was executed";
pub const YES_IS_TRUE: &str = "nobody is told `yes` when it was not executed";
pub const GUARD_HOLDS: &str = "not executed is not decided while the call may be under way";
pub const RUNNING_ENDS: &str = "nothing stays running forever";
pub const EVIDENCE_IS_TRUE: &str = "evidence that is recorded is true";
pub const REOPEN_IS_SAFE: &str = "a decision is taken back only while nothing followed it";
pub const CONFLICT_IS_NOT_STORED: &str = "a conflict is never stored as the answer";
pub const SUCCESS_IS_ONE_EFFECT: &str = "a stored success means exactly one effect";
pub const NUMBERS_HAVE_ROWS: &str = "every number before the next execution has a marker row";
pub const ONE_EFFECT_EVER: &str = "at most one effect, also after a loss of the store or a forced decision";

/// Returns the promises, which hold in every state under every policy that promises at most one effect.
pub fn promises() -> Vec<Property<Protocol>> {
    let mut promises = without_one_effect();
    promises.push(Property::always(ONE_EFFECT, |_: &Protocol, world: &World| {
        world.history.effects_inside() <= 1
    }));
    promises
}

/// Returns the promises of a policy under which the upstream itself decides about a second effect: a marker
/// row, or a key that it honours, outlives the record.
pub fn guarded_by_upstream() -> Vec<Property<Protocol>> {
    let mut promises = without_one_effect();
    promises.push(Property::always(ONE_EFFECT_EVER, |_: &Protocol, world: &World| {
        world.history.effects.count_ones() <= 1
    }));
    promises.push(Property::always(SUCCESS_IS_ONE_EFFECT, |_, world: &World| {
        !is_success(world) || world.history.effects.count_ones() == 1
    }));
    promises.push(Property::always(NUMBERS_HAVE_ROWS, |_, world: &World| {
        let decided = match state(world) {
            Some(State::Running { n, .. } | State::Unknown { n, .. }) => n - 1,
            Some(State::Cleared { n, .. }) => n,
            _ => 0,
        };
        (1..=decided).all(|n| world.table.row(n).is_some())
    }));
    promises
}

/// Returns the promises of a policy that does not promise at most one effect.
pub fn without_one_effect() -> Vec<Property<Protocol>> {
    vec![
        Property::always(COMPLETED_STAYS, |_: &Protocol, world: &World| keeps(world, Rule::CompletedStays)),
        Property::always(STALE_CHANGES_NOTHING, |_, world: &World| keeps(world, Rule::StaleChangesNothing)),
        Property::always(LEASE_IS_RESPECTED, |_, world: &World| keeps(world, Rule::LeaseIsRespected)),
        Property::always(NUMBER_IS_UNIQUE, |_, world: &World| keeps(world, Rule::NumberIsUnique)),
        Property::always(ANSWERS_ARE_EQUAL, |_, world: &World| keeps(world, Rule::AnswersAreEqual)),
        Property::always(NO_IS_TRUE, |_, world: &World| keeps(world, Rule::NoIsTrue) && no_stays_true(world)),
        Property::always(YES_IS_TRUE, |_, world: &World| keeps(world, Rule::YesIsTrue)),
        Property::always(GUARD_HOLDS, |_, world: &World| keeps(world, Rule::GuardHolds)),
        Property::always(EVIDENCE_IS_TRUE, |_, world: &World| keeps(world, Rule::EvidenceIsTrue)),
        Property::always(REOPEN_IS_SAFE, |_, world: &World| keeps(world, Rule::ReopenIsSafe)),
        Property::always(CONFLICT_IS_NOT_STORED, |_, world: &World| {
            response(world).is_none_or(|response| response.status != CONFLICT)
        }),
        Property::always(RUNNING_ENDS, |protocol: &Protocol, world: &World| {
            world.record.is_none_or(|kept| protocol.sweep_ends(kept))
        }),
    ]
}

/// Tells whether the record has a response of the upstream to an executed operation.
fn is_success(world: &World) -> bool {
    response(world).is_some_and(|response| response.status == EXECUTED && response.id != FROM_OPERATOR)
}

fn keeps(world: &World, rule: Rule) -> bool {
    !world.history.broke(rule)
}

/// Tells whether each request with the answer "not executed" has no effect later.
fn no_stays_true(world: &World) -> bool {
    let told_no = |phase| phase == Phase::Done { said_no: true };
    let acted = |who: usize| world.history.effects & 1 << who != 0;
    !world.attempts.iter().enumerate().any(|(who, attempt)| told_no(attempt.phase) && acted(who))
}

/// Returns the situations that must occur in a model that proves anything.
pub fn sights() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes("a replay", |_, world: &World| told(world, Told::Replayed)),
        Property::sometimes("an answer from its own call", |_, world: &World| told(world, Told::Stored)),
        Property::sometimes("an answer `no`", |_, world: &World| told(world, Told::No)),
        Property::sometimes("an answer `yes` without a response", |_, world: &World| told(world, Told::Yes)),
        Property::sometimes("an answer `unknown`", |_, world: &World| told(world, Told::Unknown)),
        Property::sometimes("a lapsed lease", |_, world: &World| {
            matches!(state(world), Some(State::Unknown { reason: Reason::LeaseOver, .. }))
        }),
        Property::sometimes(
            "an outcome that is unknown at its deadline",
            |protocol: &Protocol, world: &World| {
                let is_quiet =
                    matches!(state(world), Some(State::Unknown { quiet_at, .. }) if quiet_at <= NOW);
                // Time has passed since the record was written, and its ttl is not over.
                let waited = |kept: Kept| kept.updated_at < NOW && !kept.is_over(&protocol.policy);
                is_quiet && world.record.is_some_and(waited)
            },
        ),
        Property::sometimes("a second execution", |_, world: &World| {
            matches!(state(world), Some(State::Running { n: 2, .. }))
        }),
        Property::sometimes("an operation that is settled", |_, world: &World| {
            matches!(state(world), Some(State::Settled { .. }))
        }),
        Property::sometimes("an operation that is declared not executed", |_, world: &World| {
            matches!(state(world), Some(State::Cleared { n: 1, .. }))
        }),
        Property::sometimes("a tombstone of something executed", |_, world: &World| {
            tombstone(world, Executed::Yes)
        }),
        Property::sometimes("a tombstone of something unknown", |_, world: &World| {
            tombstone(world, Executed::Unknown)
        }),
        Property::sometimes("a completion about to be late", |_, world: &World| late_completion(world)),
        Property::sometimes("a late write that has become stale", |_, world: &World| {
            world.late.is_some_and(|late| late.expected != world.record.map(|kept| kept.revision))
        }),
        Property::sometimes("an upstream that can act after the answer", |_, world: &World| {
            world.attempts.iter().any(|attempt| {
                matches!((attempt.phase, attempt.request), (Phase::Done { .. }, Request::OnTheWay))
            })
        }),
    ]
}

/// Returns the situations that must occur under `marker`.
pub fn marker_sights() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes("a conflict", |_: &Protocol, world: &World| {
            world.attempts.iter().any(|attempt| attempt.request == Request::Conflicted)
        }),
        Property::sometimes("an execution after a fence", |_, world: &World| {
            matches!(state(world), Some(State::Running { n: 2, undecided: false, .. }))
        }),
        Property::sometimes("an operation settled by its row", |_, world: &World| {
            matches!(state(world), Some(State::Settled { .. }))
        }),
        Property::sometimes("a response taken from a row", |_, world: &World| {
            response(world).is_some_and(|response| response.id == FROM_EVIDENCE)
        }),
        Property::sometimes("an answer `no` after a fence of its own", |_, world: &World| {
            told(world, Told::No) && matches!(state(world), Some(State::Cleared { .. }))
        }),
        Property::sometimes("a request of an earlier life that meets a later one", |_, world: &World| {
            world.table.wipes == 0
                && matches!(state(world), Some(State::Running { n: 1, .. }))
                && world.history.effects & world.history.outside != 0
        }),
    ]
}

/// Returns the situations that must occur under `probe`.
pub fn probe_sights() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes("an undecided execution after a probe", |_: &Protocol, world: &World| {
            matches!(state(world), Some(State::Running { n: 2, undecided: true, .. }))
        }),
        Property::sometimes("a second effect after a probe found nothing", |_, world: &World| {
            (world.history.effects & !world.history.outside).count_ones() == 2
        }),
        Property::sometimes("a response that a probe found", |_, world: &World| {
            response(world).is_some_and(|response| response.id == FROM_EVIDENCE)
        }),
    ]
}

fn state(world: &World) -> Option<State> {
    world.record.map(|kept| kept.state)
}

/// Returns the response in the record.
fn response(world: &World) -> Option<ResponseRef> {
    match state(world)? {
        State::Completed { response, .. } => Some(response),
        _ => None,
    }
}

fn told(world: &World, told: Told) -> bool {
    world.told == Some(told)
}

fn tombstone(world: &World, remembered: Executed) -> bool {
    matches!(state(world), Some(State::Expired { executed, .. }) if executed == remembered)
}

/// Tells whether the next write turns unknown into completed.
fn late_completion(world: &World) -> bool {
    let Some(kept) = world.record else { return false };
    let mut pending = world.attempts.iter().filter_map(|attempt| attempt.pending);
    matches!(kept.state, State::Unknown { .. })
        && pending
            .any(|write| matches!(write.deed, Deed::Complete { .. }) && write.expected == Some(kept.revision))
}
