//! Stores that lose everything, on routes with markers.

use super::{LIMIT, fenced, on_every_store, world};
use crate::api::{Pause, Plan};
use crate::client::{End, is_stored};
use crate::harness::Answer;
use crate::policy::Policy;
use crate::store::Kind;
use crate::world::{Options, World};

on_every_store!(
    the_marker_of_a_lost_record_stops_the_second_charge,
    the_markers_of_several_executions_lead_to_the_one_that_committed,
);

async fn response(world: &World) -> Answer {
    let told = world.client("key").run(0, LIMIT).await;
    let End::Response(answer) = told.end else { panic!("{told:?}\n{}", world.logs()) };
    assert!(is_stored(&answer), "{answer:?}");
    answer
}

async fn the_marker_of_a_lost_record_stops_the_second_charge(store: Kind) {
    let world = world(Policy::Marker, store, &[], Options::default()).await;
    let first = response(&world).await;
    world.store.wipe().await;
    let second = response(&world).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(fenced(&world.api).await, [(1, false)]);
    assert_eq!(world.api.effects().await.len(), 1);
    let calls = world.api.calls();
    assert!(calls.len() == 2 && calls[0].execution == calls[1].execution, "{calls:?}");
}

/// The first execution was fenced and the second one committed. Without their record both numbers come again.
async fn the_markers_of_several_executions_lead_to_the_one_that_committed(store: Kind) {
    let paused = [Plan::CHARGE.received(Pause::Gate)];
    let world = world(Policy::Marker, store, &paused, Options::default()).await;
    let first = response(&world).await;
    assert_eq!(fenced(&world.api).await, [(1, true), (2, false)]);
    world.store.wipe().await;
    let second = response(&world).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(fenced(&world.api).await, [(1, true), (2, false)]);
    world.api.open_gate();
    assert_eq!(world.api.effects().await.len(), 1);
}
