//! A store that takes no claims: no execution begins, no request is bypassed, and stored responses are
//! replayed.

use std::time::Duration;

use oncegate::config::OnStoreError;
use oncegate::store::Stopped;
use tokio::time::sleep;

use super::store::{Fault, Step};
use super::upstream::Play;
use super::world::{LEASE, World};

fn bypassing() -> World {
    World::with(|route| route.on_store_error = OnStoreError::Bypass)
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_and_what_is_stored_is_answered() {
    let world = bypassing();
    world.upstream.next(&[Play::Answer(201, Duration::ZERO), Play::Lost(Duration::ZERO)]);
    world.send("paid").await.is_first(201, "call 1");
    world.send("lost").await.is_unknown(504);
    for reason in [Stopped::Clock, Stopped::NotBefore] {
        world.store.stop(Some(reason));
        assert_eq!(world.ledger.stopped().collect::<Vec<_>>(), [reason]);
        world.send("new").await.is_store_unavailable();
        world.send("paid").await.is_replay(201, "call 1");
        world.send("lost").await.is_unknown(409);
        // A silent store may still be stopped.
        world.store.next(Step::Read, &[Fault::Refused]);
        world.send("new").await.is_store_unavailable();
        assert_eq!((world.upstream.calls(), world.state("new")), (2, "absent"));
    }
    world.store.stop(None);
    world.send("new").await.is_first(201, "call 3");
}

/// A running execution continues to its end and is recorded.
#[tokio::test(start_paused = true)]
async fn what_runs_is_completed() {
    let world = bypassing();
    world.upstream.next(&[Play::Answer(201, 3 * LEASE)]);
    let owner = world.begin("a").await;
    world.store.stop(Some(Stopped::Full));
    sleep(LEASE).await;
    assert_eq!(world.state("a"), "running");
    let waiter = world.begin("a").await;
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");
    world.send("a").await.is_replay(201, "call 1");
}
