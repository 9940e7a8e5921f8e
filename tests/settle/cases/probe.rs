//! Probes: when they ask, how often, and what an answer decides.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{LIMIT, on_every_store, world};
use crate::api::{Api, Call, Pause, Plan, Point, Protection};
use crate::client::{End, is_stored};
use crate::policy::{DEADLINE, LEASE, Policy, probe_lines};
use crate::store::{Kind, Store};
use crate::world::{Options, World};

on_every_store!(
    many_waiting_duplicates_ask_once,
    an_executed_operation_is_settled_with_the_found_response,
    nothing_runs_again_before_the_deadline_and_not_before,
    a_request_that_acts_after_the_answer_of_a_probe_is_a_second_charge,
);

async fn first_search(world: &World) {
    let asked = async {
        while world.api.searches().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, asked).await.expect("a question");
}

async fn many_waiting_duplicates_ask_once(store: Kind) {
    let options = Options { gateways: 1, ..Options::default() };
    let world = world(Policy::Probe, store, &[Plan::ANSWER_LOST], options).await;
    world.api.hold_searches();
    drop(world.client("key").attempt(0).await);
    first_search(&world).await;
    let mut duplicates = JoinSet::new();
    for _ in 0..20 {
        let client = world.client("key");
        duplicates.spawn(async move { client.run(0, LIMIT).await });
    }
    // Time for the duplicates to come in, and less than the probe's timeout.
    sleep(Duration::from_millis(400)).await;
    world.api.answer_searches();
    for told in duplicates.join_all().await {
        assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    }
    assert_eq!(world.api.searches().len(), 1, "{:?}", world.api.searches());
    assert_eq!((world.api.effects().await.len(), world.api.calls().len()), (1, 1));
}

async fn an_executed_operation_is_settled_with_the_found_response(store: Kind) {
    let world = world(Policy::Probe, store, &[Plan::ANSWER_LOST], Options::default()).await;
    drop(world.client("key").attempt(0).await);
    let record = world.record_in(1, "completed").await;
    assert_eq!(record["status"], 200, "{record}");
    for gateway in 0..2 {
        let answer = world.client("key").attempt(gateway).await.expect("an answer");
        assert!(answer.is_replay(), "{answer:?}");
        assert_eq!(answer.json()["charge"], 1, "{answer:?}");
        assert_eq!(answer.json()["status"], "succeeded", "{answer:?}");
    }
    let searches = world.api.searches();
    assert!(searches.iter().all(|search| search.headers["authorization"] == "Bearer probe-secret"));
    assert!(searches.iter().all(|search| search.key == "key" && search.found), "{searches:?}");
    assert_eq!(world.api.calls().len(), 1);
}

async fn nothing_runs_again_before_the_deadline_and_not_before(store: Kind) {
    let not_before = Duration::from_secs(3);
    let never = |call: &Call| if call.number == 1 { Plan::NEVER_ARRIVED } else { Plan::CHARGE };
    let api = Api::start(Protection::Absent, never).await;
    let route = format!("lease = \"{}ms\"\n{}", LEASE.as_millis(), probe_lines(&api, not_before));
    let world = World::with_route(api, Store::of(store).await, None, &route, Options::default()).await;
    let began = Instant::now();
    let told = world.client("key").run(0, LIMIT).await;
    assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    let calls = world.api.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[1].at - began >= DEADLINE + not_before, "{:?}", calls[1].at - began);
    for search in world.api.searches() {
        assert!(search.at - began >= DEADLINE, "asked {:?} after the start", search.at - began);
    }
}

/// The limit of a probe: the first request comes to the upstream after the probe has found nothing.
async fn a_request_that_acts_after_the_answer_of_a_probe_is_a_second_charge(store: Kind) {
    let paused = [Plan::CHARGE.received(Pause::Gate)];
    let world = world(Policy::Probe, store, &paused, Options::default()).await;
    let told = world.client("key").run(0, LIMIT).await;
    assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    assert_eq!(world.api.effects().await.len(), 1);
    world.api.open_gate();
    world.api.reached(Point::Done, 2).await;
    assert_eq!(world.api.effects().await.len(), 2);
}
