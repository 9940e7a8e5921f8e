//! The protocol, explored exhaustively: every interleaving of a few attempts with crashes, pauses, lost and
//! late writes, late upstream requests, a sweeper and an operator, under each policy for unknown outcomes.
//!
//! The model calls the protocol's own `transition` and `finding`. The last tests break these functions on
//! purpose, and require that a property fails.

use std::sync::Arc;
use std::time::Duration;

use oncegate::clock::Timestamp;
use oncegate::protocol::{
    BodyScheme, Called, Claim, Finding, Fingerprint, Labels, OnUnknown, Outcomes, Owner, PathScheme, Policy,
    Record, Scheme, finding,
};
use stateright::{Checker, HasDiscoveries, Model, Property};

mod attempt;
mod broken;
mod broken_policies;
#[path = "../events/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of other policies")]
mod events;
mod history;
mod keys;
mod marker;
mod policies;
mod probe;
mod properties;
mod steps;
mod store;
mod upstream;
mod world;

use self::events::{Event, Transition, transition};
use self::steps::Step;
use self::world::{World, owner};

/// The transition function under test.
type Decide = fn(Option<&Record>, &Event, Timestamp) -> Transition;

/// The function under test that says what a call means for the record.
type Find = fn(Owner, &Policy, bool, &Outcomes, Called) -> Finding;

/// A system to explore.
#[derive(Clone)]
pub struct Protocol {
    transition: Decide,
    finding: Find,
    policy: Policy,
    claim: Claim,
    attempts: usize,
    start: World,
    /// True if the store compares revisions, as every store does.
    compares: bool,
    /// True if states that differ only in the names of revisions count as one.
    forgets_revisions: bool,
    /// True if an owner answers with its own response after its completion lost the comparison.
    loser_insists: bool,
    /// Number of attempts, from the first, with writes that the store may take, or lose, without an answer.
    unanswered: usize,
    /// True if attempts and owners look whether the window is over.
    looks_at_window: bool,
    /// The behaviour around the marker table.
    conduct: marker::Conduct,
    properties: fn() -> Vec<Property<Self>>,
}

const TICK: Duration = Duration::from_millis(1);

impl Protocol {
    /// Makes a model with this many attempts. Each attempt may renew `renewals` times, and the operator may
    /// decide `decisions` times. Lease, response timeout and tombstone last one tick each. The ttl lasts two,
    /// so that an outcome that lapses is still unknown after its deadline.
    fn new(attempts: usize, renewals: u8, decisions: u8) -> Self {
        let policy = Policy {
            on_unknown: OnUnknown::Hold,
            lease: TICK,
            response_timeout: TICK,
            ttl: 2 * TICK,
            tombstone_ttl: TICK,
        };
        let scheme =
            Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
        let claim = Claim {
            owner: owner(0),
            namespace: "charges".into(),
            route: "create-charge".into(),
            fingerprint: Fingerprint { scheme, digest: [0; 32] },
            policy,
            kept: None,
            labels: Labels::default(),
        };
        Self {
            transition,
            finding,
            policy,
            claim,
            attempts,
            start: World::new(renewals, decisions),
            compares: true,
            forgets_revisions: true,
            loser_insists: false,
            unanswered: attempts,
            looks_at_window: true,
            conduct: marker::Conduct::RIGHT,
            properties: properties::promises,
        }
    }

    /// Explores all states. Returns their number, or the properties that do not hold.
    fn explore(self) -> Result<usize, Vec<&'static str>> {
        let checker = self.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let broken: Vec<_> = checker.discoveries().into_keys().collect();
        if broken.is_empty() { Ok(checker.unique_state_count()) } else { Err(broken) }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.start.clone()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.steps(world, steps);
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        world.told = None;
        self.take(&mut world, step);
        keys::forget(&mut world);
        if self.forgets_revisions {
            world.forget_revisions();
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        (self.properties)()
    }
}

/// The numbers of states are pinned: another number means that the protocol or the model behaves differently,
/// and such a change must be intended.
#[test]
fn two_attempts_with_renewals_and_an_operator_keep_every_promise() {
    assert_eq!(Protocol::new(2, 2, 2).explore(), Ok(1_186_130));
}

/// The operator may decide, take that back, and decide again.
#[test]
fn a_decision_that_is_taken_back_keeps_every_promise() {
    assert_eq!(Protocol::new(2, 0, 3).explore(), Ok(1_348_041));
}

#[test]
fn three_attempts_keep_every_promise() {
    assert_eq!(Protocol::new(3, 0, 0).explore(), Ok(2_396_728));
}

/// The situations that the properties judge do occur in the model, so the model proves something.
#[test]
fn the_model_gets_to_see_what_it_judges() {
    let model = Protocol { properties: properties::sights, ..Protocol::new(2, 1, 1) };
    model.checker().threads(2).spawn_bfs().join().assert_properties();
}
