//! The fence of a marker table: won with its answer lost, wanted by two gateways, and late answers behind it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{LIMIT, fenced, on_every_store, world};
use crate::api::{Act, Pause, Plan, Point, Reply};
use crate::client::{End, is_stored};
use crate::policy::Policy;
use crate::servers::proxy::Wire;
use crate::store::Kind;
use crate::world::{Options, World};

on_every_store!(
    a_fence_whose_answer_was_lost_is_not_taken_for_a_commit,
    two_gateways_fence_at_once_and_one_execution_follows,
    the_late_answer_of_a_fenced_execution_is_not_the_response,
    a_fence_waits_for_an_open_transaction,
);

/// The upstream is paused from before its transaction until after the fence.
const PAUSED: Plan = Plan::CHARGE.received(Pause::Gate);

/// Waits until these executions are fenced, and no other has a marker.
async fn are_fenced(world: &World, executions: &[u32]) {
    let expected: Vec<(u32, bool)> = executions.iter().map(|n| (*n, true)).collect();
    let fence = async {
        while fenced(&world.api).await != expected {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, fence).await.expect("a fence");
}

/// Lets the paused execution go on behind its fence, and checks that the one charge is that of execution `n`.
async fn only_charge(world: &World, n: u32) {
    let done = world.api.calls().len();
    world.api.open_gate();
    world.api.reached(Point::Done, done).await;
    let charges = world.api.effects().await;
    assert_eq!(charges.len(), 1, "{charges:?}");
    assert!(charges[0].execution.ends_with(&format!(":{n}")), "{charges:?}");
    let rows: Vec<(u32, bool)> = (1..=n).map(|number| (number, number < n)).collect();
    assert_eq!(fenced(&world.api).await, rows);
    for gateway in 0..2 {
        let answer = world.client("key").attempt(gateway).await.expect("an answer");
        assert!(answer.is_replay() && answer.status == 201, "{answer:?}");
    }
}

async fn a_fence_whose_answer_was_lost_is_not_taken_for_a_commit(store: Kind) {
    // The refusal makes the first gateway fence at once, so that it has a connection to the marker table.
    let world = world(Policy::Marker, store, &[Plan::refuse(429), PAUSED], Options::default()).await;
    let wire = world.marker_wire.as_ref().expect("a way to the marker table");
    let refused = world.client("key").attempt(0).await.expect("an answer");
    assert_eq!(refused.status, 429, "{refused:?}");
    let told = world.client("key").attempt(0).await.expect("an answer");
    told.problem(504, "outcome-unknown", "unknown", "same-key");
    wire.set(Wire::Mute);
    are_fenced(&world, &[1, 2]).await;
    assert_eq!(world.records(1, "").await[0]["state"], "unknown");
    wire.set(Wire::Closed);
    sleep(Duration::from_millis(20)).await;
    wire.set(Wire::Whole);
    let end = world.client("key").run(1, LIMIT).await.end;
    assert!(matches!(&end, End::Response(answer) if is_stored(answer)), "{end:?}");
    only_charge(&world, 3).await;
}

async fn two_gateways_fence_at_once_and_one_execution_follows(store: Kind) {
    let world = world(Policy::Marker, store, &[PAUSED], Options::default()).await;
    // A slow way makes the fences of both gateways overlap.
    world.marker_wire.as_ref().expect("a way to the marker table").set(Wire::Slow(Duration::from_millis(60)));
    drop(world.client("key").attempt(0).await);
    let (one, other) = (world.client("key"), world.client("key"));
    let (one, other) = tokio::join!(one.run(0, LIMIT), other.run(1, LIMIT));
    for end in [one.end, other.end] {
        assert!(matches!(&end, End::Response(answer) if is_stored(answer)), "{end:?}");
    }
    assert_eq!(world.api.calls().len(), 2, "{:?}", world.api.calls());
    only_charge(&world, 2).await;
}

/// The upstream says 201 and has committed nothing. Its answer lies in a gateway that is stopped until the
/// execution was fenced.
async fn the_late_answer_of_a_fenced_execution_is_not_the_response(store: Kind) {
    const SAYS_SO: Plan = Plan { act: Act::Nothing, reply: Reply::Status(201), ..Plan::CHARGE };
    let options = Options { failpoint: Some("stop-after-response".into()), ..Options::default() };
    let world = world(Policy::Marker, store, &[SAYS_SO], options).await;
    let client = world.client("key");
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.attempt(0).await }
    });
    let record = world.record_in(1, "cleared").await;
    assert_eq!((&record["execution"], fenced(&world.api).await), (&1.into(), vec![(1, true)]));
    world.fleet[0].thaw().await;
    world.fleet[0].logs("execution ended").await;
    drop(first.await.expect("no panic"));
    let record = &world.records(1, "").await[0];
    assert_ne!(record["state"], "completed", "{record}");
    let end = client.run(1, LIMIT).await.end;
    let End::Response(answer) = end else { panic!("{end:?}") };
    assert_eq!((answer.status, answer.json()["text"].as_str()), (201, Some("text of a response")));
    let charges = world.api.effects().await;
    assert_eq!(charges.len(), 1, "{charges:?}");
}

/// A transaction that is open at the fence decides: it commits, and its charge is the operation's.
async fn a_fence_waits_for_an_open_transaction(store: Kind) {
    const OPEN: Plan = Plan::CHARGE.written(Pause::Gate);
    let world = world(Policy::Marker, store, &[OPEN], Options::default()).await;
    drop(world.client("key").attempt(0).await);
    let api = Arc::clone(&world.api);
    let opening = tokio::spawn(async move {
        sleep(Duration::from_secs(4)).await;
        api.open_gate();
    });
    let told = world.client("key").run(1, LIMIT).await;
    opening.await.expect("no panic");
    assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    assert_eq!(fenced(&world.api).await, [(1, false)]);
    assert_eq!((world.api.effects().await.len(), world.api.calls().len()), (1, 1));
}
