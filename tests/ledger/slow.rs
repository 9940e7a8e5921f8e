//! A slow store: each step has a deadline, and the number of waiting steps is bounded.

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::store::Fault::{Late, Silence};
use super::store::Step;
use super::world::{MAX_IN_FLIGHT, STORE_TIMEOUT, World};

const CLIENTS: usize = 200;

#[tokio::test(start_paused = true)]
async fn a_store_within_its_deadline_slows_everything_and_breaks_nothing() {
    let world = World::new();
    world.store.always(&Step::ALL, Late(STORE_TIMEOUT * 9 / 10));
    let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");
    assert_eq!(world.upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_past_its_deadline_is_unavailable_and_holds_up_no_more_than_it_may() {
    for fault in [Silence, Late(STORE_TIMEOUT * 5)] {
        let world = World::new();
        world.store.always(&Step::ALL, fault);
        let (mut clients, started) = (JoinSet::new(), Instant::now());
        for client in 0..CLIENTS {
            let world = world.clone();
            clients.spawn(async move { world.send(&format!("key-{client}")).await });
        }
        let answers = clients.join_all().await;
        // Beyond the limit, the gateway only reads the record and makes no claim.
        for answer in &answers {
            answer.is_store_unavailable();
        }
        assert!(started.elapsed() < 3 * STORE_TIMEOUT, "{:?}", started.elapsed());
        assert_eq!(world.store.most_claims(), MAX_IN_FLIGHT);
        assert_eq!(world.upstream.calls(), 0);
    }
}

/// A completion that cannot be stored keeps its execution slot. Their number is bounded, and further requests
/// are shed before their claim.
#[tokio::test(start_paused = true)]
async fn outcomes_that_wait_to_be_stored_are_bounded() {
    let world = World::new();
    world.store.always(&[Step::Complete], Silence);
    for number in 0..MAX_IN_FLIGHT {
        let answer = world.send(&format!("key-{number}")).await;
        answer.is_unstored(201, &format!("call {}", number + 1));
    }
    world.send("one-more").await.is_problem(503, "overloaded", "unknown", "same-key");
    assert_eq!((world.upstream.calls(), world.state("one-more")), (MAX_IN_FLIGHT, "absent"));
    world.store.heal();
    for number in 0..MAX_IN_FLIGHT {
        world.until(&format!("key-{number}"), "completed").await;
    }
    assert_eq!(world.send("one-more").await.status, 201);
}
