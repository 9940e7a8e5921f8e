//! The replay cache: a gateway repeats a recent replay without its store, until the record changes.

use std::time::Duration;

use oncegate::store::StoreError;
use tokio::time::{sleep, timeout};

use crate::decisions;
use crate::events::Event;

use super::store::Fault::{AnsweredLate, Late, Refused};
use super::store::Step::{Claim, Retire};
use super::world::{STORE_TIMEOUT, World};

/// Makes a completed operation that was not replayed yet.
async fn completed() -> World {
    let world = World::keeping_replays();
    world.send("a").await.is_first(201, "call 1");
    world
}

/// Makes an operation that was replayed, so that its response is in the replay cache.
async fn replayed() -> World {
    let world = completed().await;
    world.send("a").await.is_replay(201, "call 1");
    world
}

async fn delete(world: &World) -> Result<(), StoreError> {
    decisions::apply(&world.ledger, world.id("a"), None, &Event::Delete, None).await.map(drop)
}

async fn is_expired(world: &World) {
    world.send("a").await.is_problem(410, "key-expired", "yes", "never");
}

#[tokio::test(start_paused = true)]
async fn what_was_replayed_is_said_again_until_it_is_deleted() {
    let world = replayed().await;
    world.store.always(&[Claim], Refused);
    world.send("a").await.is_replay(201, "call 1");
    world.store.heal();
    delete(&world).await.expect("it can be deleted");
    is_expired(&world).await;
    assert_eq!(world.upstream.calls(), 1);
}

/// A write may still have been made although its caller gave up, for example an operator who closed the
/// connection.
#[tokio::test(start_paused = true)]
async fn it_is_forgotten_before_the_write_of_which_nothing_is_heard() {
    let world = replayed().await;
    world.store.next(Retire, &[Late(STORE_TIMEOUT / 2)]);
    timeout(STORE_TIMEOUT / 10, delete(&world)).await.expect_err("it is given up");
    sleep(STORE_TIMEOUT).await;
    is_expired(&world).await;
}

/// The response is read and cached between the start of the write and its end.
#[tokio::test(start_paused = true)]
async fn it_is_forgotten_after_a_write_that_took_its_time() {
    let world = completed().await;
    world.store.next(Retire, &[Late(STORE_TIMEOUT / 2)]);
    let (deleting, replaying) = tokio::join!(delete(&world), async {
        sleep(Duration::from_millis(1)).await;
        world.send("a").await
    });
    deleting.expect("it can be deleted");
    replaying.is_replay(201, "call 1");
    is_expired(&world).await;
}

/// The response is read before the write, and its read is answered after the write.
#[tokio::test(start_paused = true)]
async fn a_read_that_crosses_a_write_is_not_kept() {
    let world = completed().await;
    world.store.next(Claim, &[AnsweredLate(STORE_TIMEOUT / 2)]);
    let crossing = world.begin("a").await;
    delete(&world).await.expect("it can be deleted");
    crossing.await.expect("no panic").is_replay(201, "call 1");
    is_expired(&world).await;
}
