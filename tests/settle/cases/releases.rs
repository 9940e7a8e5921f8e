//! Executions that the upstream refused, with a status or a header that means "not executed".

use super::{LIMIT, fenced, on_every_store, world};
use crate::api::Plan;
use crate::client::{End, is_stored};
use crate::policy::Policy;
use crate::store::Kind;
use crate::world::{Options, World};

on_every_store!(
    a_release_after_an_undecided_execution_leaves_the_key_taken,
    a_release_under_the_keys_of_the_upstream_leaves_the_key_taken,
    a_release_with_a_marker_is_fenced_and_the_next_attempt_runs_at_once,
    the_upstreams_word_with_a_marker_is_fenced_and_the_next_attempt_runs_at_once,
    the_upstreams_word_after_an_undecided_execution_leaves_the_key_taken,
);

/// Returns options under which the upstream's own word counts. Without it, the statuses of these tests would
/// complete the operation.
fn believing() -> Options {
    let route = "release_when = [{ header = \"x-executed\", value = \"no\" }]";
    Options { route: route.into(), ..Options::default() }
}

/// Repeats the request until the upstream has refused it. Returns the header that says what that means.
async fn refused(world: &World, status: u16) -> String {
    let client = world.client("key");
    for _ in 0..200 {
        let answer = client.attempt(0).await.expect("an answer");
        if answer.status == status {
            return answer.header("idempotency-outcome").expect("an outcome").to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never {status}: {}", world.logs());
}

/// The probe found nothing, and yet the first request may still be on its way.
async fn a_release_after_an_undecided_execution_leaves_the_key_taken(store: Kind) {
    let plans = [Plan::NEVER_ARRIVED, Plan::refuse(429)];
    let world = world(Policy::Probe, store, &plans, Options::default()).await;
    assert_eq!(refused(&world, 429).await, "unknown");
    let record = &world.records(1, "").await[0];
    assert_eq!((&record["state"], &record["execution"]), (&"unknown".into(), &2.into()), "{record}");
    let told = world.client("key").run(1, LIMIT).await;
    assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    let charges = world.api.effects().await;
    assert!(charges.len() == 1 && charges[0].execution.ends_with(":3"), "{charges:?}");
}

async fn a_release_under_the_keys_of_the_upstream_leaves_the_key_taken(store: Kind) {
    let plans = [Plan::NEVER_ARRIVED, Plan::refuse(407)];
    let world = world(Policy::Keys, store, &plans, Options::default()).await;
    assert_eq!(refused(&world, 407).await, "unknown");
    let record = &world.records(1, "").await[0];
    assert_eq!((&record["state"], &record["execution"]), (&"unknown".into(), &2.into()), "{record}");
    let told = world.client("key").run(1, LIMIT).await;
    assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    assert_eq!(world.api.effects().await.len(), 1);
}

async fn a_release_with_a_marker_is_fenced_and_the_next_attempt_runs_at_once(store: Kind) {
    let world = world(Policy::Marker, store, &[Plan::refuse(429)], Options::default()).await;
    let client = world.client("key");
    let first = client.attempt(0).await.expect("an answer");
    assert_eq!((first.status, first.header("idempotency-outcome")), (429, Some("released")), "{first:?}");
    assert_eq!(fenced(&world.api).await, [(1, true)]);
    let second = client.attempt(1).await.expect("an answer");
    assert!(second.status == 201 && is_stored(&second) && !second.is_replay(), "{second:?}");
    assert_eq!(fenced(&world.api).await, [(1, true), (2, false)]);
}

async fn the_upstreams_word_with_a_marker_is_fenced_and_the_next_attempt_runs_at_once(store: Kind) {
    let world = world(Policy::Marker, store, &[Plan::refuse(500)], believing()).await;
    let client = world.client("key");
    let first = client.attempt(0).await.expect("an answer");
    assert_eq!((first.status, first.header("idempotency-outcome")), (500, Some("released")), "{first:?}");
    assert_eq!(fenced(&world.api).await, [(1, true)]);
    let second = client.attempt(1).await.expect("an answer");
    assert!(second.status == 201 && is_stored(&second) && !second.is_replay(), "{second:?}");
    assert_eq!(fenced(&world.api).await, [(1, true), (2, false)]);
}

/// The word is about the second execution alone: the first one may still be on its way.
async fn the_upstreams_word_after_an_undecided_execution_leaves_the_key_taken(store: Kind) {
    for policy in [Policy::Probe, Policy::Keys] {
        let plans = [Plan::NEVER_ARRIVED, Plan::refuse(500)];
        let world = world(policy, store, &plans, believing()).await;
        assert_eq!(refused(&world, 500).await, "unknown", "{policy:?}");
        let record = &world.records(1, "").await[0];
        assert_eq!((&record["state"], &record["execution"]), (&"unknown".into(), &2.into()), "{record}");
        let told = world.client("key").run(1, LIMIT).await;
        assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
        assert_eq!(world.api.effects().await.len(), 1, "{policy:?}");
    }
}
