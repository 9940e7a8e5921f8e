//! Every policy for unknown outcomes, explored under the condition of its promise.
//!
//! Two attempts cover one unknown execution, the next one, and every interleaving of them with the evidence.
//! The state spaces with an operator, or with a loss of the store, leave out writes that get no answer. Those
//! of marker and probe that have such writes have them for the first attempt only, to end soon.

use oncegate::protocol::OnUnknown;
use stateright::{Checker, Model, Property};

use crate::marker::Conduct;
use crate::{Protocol, TICK, properties};

/// Returns the model of a policy.
pub fn under(
    on_unknown: OnUnknown,
    properties: fn() -> Vec<Property<Protocol>>,
    model: Protocol,
) -> Protocol {
    let mut model = Protocol { properties, ..model };
    model.policy.on_unknown = on_unknown;
    model.claim.policy.on_unknown = on_unknown;
    model
}

/// Returns the model in which every write is answered.
pub fn answered(model: Protocol) -> Protocol {
    Protocol { unanswered: 0, ..model }
}

/// Returns the model in which only the first attempt has writes without an answer.
fn answered_to_second(model: Protocol) -> Protocol {
    Protocol { unanswered: 1, ..model }
}

/// Returns the model of `marker`, with a store that loses everything this many times.
pub fn marked(model: Protocol, wipes: u8) -> Protocol {
    let mut model = under(OnUnknown::Marker, properties::guarded_by_upstream, model);
    model.start.table.wipes = wipes;
    model
}

/// Returns the model of `probe`.
pub fn probed(model: Protocol) -> Protocol {
    under(OnUnknown::Probe, properties::promises, model)
}

/// Returns the model of `retry` with a window, over an upstream that remembers a key for `lasting` ticks.
/// Calls end: see [`keys::Keys`](crate::keys::Keys).
pub fn keyed(model: Protocol, window: u32, lasting: u8) -> Protocol {
    let window = Some(window * TICK);
    let mut model = under(OnUnknown::Retry { window }, properties::promises, model);
    let keys = &mut model.start.keys;
    (keys.lasting, keys.calls_end, keys.margin) = (lasting, true, 1);
    model
}

/// At most one effect, whatever the store loses and the operator forces.
#[test]
fn marker_promises_one_effect_after_a_loss_of_the_store_and_a_forced_decision() {
    assert_eq!(answered(marked(Protocol::new(2, 0, 1), 1)).explore(), Ok(599_972));
}

#[test]
fn marker_promises_one_effect_with_lost_and_late_writes() {
    assert_eq!(answered_to_second(marked(Protocol::new(2, 0, 0), 0)).explore(), Ok(389_061));
}

/// The deadline is a courtesy to an execution that is alive. The promise does not need it.
#[test]
fn a_fence_is_safe_at_any_time() {
    let conduct = Conduct { waits: false, ..Conduct::RIGHT };
    let model = Protocol { conduct, ..answered(marked(Protocol::new(2, 0, 0), 1)) };
    assert_eq!(model.explore(), Ok(147_890));
}

#[test]
fn the_model_of_marker_gets_to_see_what_it_judges() {
    let model = answered(marked(Protocol::new(2, 0, 0), 1));
    let model = Protocol { properties: properties::marker_sights, ..model };
    model.checker().threads(2).spawn_bfs().join().assert_properties();
}

/// At most one effect among the executions that could no longer act when the probe found nothing. A request
/// that acts after that makes a second effect, and no client is told "not executed".
#[test]
fn probe_promises_one_effect_of_requests_that_have_ended() {
    assert_eq!(answered_to_second(probed(Protocol::new(2, 0, 0))).explore(), Ok(597_228));
}

#[test]
fn probe_keeps_its_promises_with_an_operator() {
    assert_eq!(answered(probed(Protocol::new(2, 0, 1))).explore(), Ok(505_886));
}

#[test]
fn the_model_of_probe_gets_to_see_what_it_judges() {
    let model = answered(probed(Protocol::new(2, 0, 0)));
    let model = Protocol { properties: properties::probe_sights, ..model };
    model.checker().threads(2).spawn_bfs().join().assert_properties();
}

/// At most one effect, if the upstream remembers a key for as long as the window, and calls end.
#[test]
fn retry_promises_one_effect_inside_the_upstreams_memory() {
    assert_eq!(keyed(Protocol::new(2, 0, 0), 3, 3).explore(), Ok(299_448));
}

/// Everything but the number of effects.
#[test]
fn retry_without_a_window_keeps_every_other_promise() {
    let retry = OnUnknown::Retry { window: None };
    assert_eq!(under(retry, properties::without_one_effect, Protocol::new(2, 0, 0)).explore(), Ok(272_525));
}
