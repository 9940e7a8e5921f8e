//! After the upstream answered: completions that are late, lost, or not taken, and the renewals
//! that cross them.

use std::time::Duration;

use super::store::Fault::{Late, Lost, Nothing, Refused, Silence, Unanswered};
use super::store::Step::{self, Claim, Complete, Lose, Renew};
use super::upstream::Play;
use super::world::{LEASE, STORE_TIMEOUT, World};

/// FAULTS 9: the client gets the truth, the store gets it later, nobody gets a second execution.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_stored_is_given_unstored_and_stored_later() {
    for fault in [Refused, Lost, Silence] {
        let world = World::new();
        world.store.always(&[Complete], fault);
        let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
        owner.await.expect("no panic").is_unstored(201, "call 1");
        waiter.await.expect("no panic").is_unstored(201, "call 1");
        // The lease is no longer renewed; time makes the outcome unknown until it can be stored.
        world.until("a", "unknown").await;
        // This process knows better than the record that it cannot write.
        world.send("a").await.is_unstored(201, "call 1");
        world.store.heal();
        // The first attempt that the store answers again finds it written.
        world.send("a").await.is_replay(201, "call 1");
        assert_eq!(world.state("a"), "completed");
        assert_eq!(world.upstream.calls(), 1);
    }
}

/// The store goes away altogether once the claim is in.
#[tokio::test(start_paused = true)]
async fn retries_while_the_store_is_away_never_run() {
    let world = World::new();
    world.store.next(Claim, &[Nothing]);
    world.store.always(&Step::ALL, Refused);
    world.send("a").await.is_unstored(201, "call 1");
    for _ in 0..20 {
        world.send("a").await.is_unstored(201, "call 1");
        tokio::time::sleep(LEASE / 3).await;
    }
    world.store.heal();
    world.until("a", "completed").await;
    world.send("a").await.is_replay(201, "call 1");
    assert_eq!(world.upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_completion_whose_answer_was_lost_is_read_back() {
    for lost in [Unanswered, Lost, Late(2 * STORE_TIMEOUT), Silence] {
        let world = World::new();
        world.store.next(Complete, &[lost]);
        let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
        owner.await.expect("no panic").is_first(201, "call 1");
        waiter.await.expect("no panic").is_replay(201, "call 1");
        let stored = world.record("a");
        tokio::time::sleep(3 * STORE_TIMEOUT).await;
        assert_eq!(world.record("a"), stored, "a late write changed something");
        world.send("a").await.is_replay(201, "call 1");
        assert_eq!(world.upstream.calls(), 1);
        world.store.heal();
    }
}

/// A loss that cannot be recorded: it becomes unknown all the same.
#[tokio::test(start_paused = true)]
async fn a_loss_that_cannot_be_stored_is_told_as_unknown() {
    for fault in [Refused, Lost, Silence] {
        let world = World::new();
        world.upstream.next(&[Play::Lost(Duration::from_secs(1))]);
        world.store.always(&[Lose], fault);
        let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
        owner.await.expect("no panic").is_unknown(504);
        waiter.await.expect("no panic").is_unknown(504);
        assert_eq!(world.state("a"), "running");
        world.store.heal();
        world.until("a", "unknown").await;
        world.send("a").await.is_unknown(409);
        assert_eq!(world.upstream.calls(), 1);
    }
}

/// FAULTS 25, in either order; and the same with a renewal nobody hears of.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_crosses_the_completion_changes_nothing() {
    let first_renewal = LEASE / 3;
    for fault in [Late(3 * STORE_TIMEOUT), Late(STORE_TIMEOUT / 2), Unanswered, Silence] {
        let world = World::new();
        world.upstream.next(&[Play::Answer(201, first_renewal + STORE_TIMEOUT / 4)]);
        world.store.next(Renew, &[fault]);
        world.send("a").await.is_first(201, "call 1");
        let stored = world.record("a").expect("a record");
        tokio::time::sleep(2 * LEASE).await;
        assert_eq!(world.record("a"), Some(stored));
        assert_eq!(world.state("a"), "completed");
        world.send("a").await.is_replay(201, "call 1");
        world.store.heal();
    }
}

/// FAULTS 3: an upstream that is slower than the lease.
#[tokio::test(start_paused = true)]
async fn a_call_that_outlasts_its_lease_is_renewed_or_goes_on_without() {
    let slow = Play::Answer(201, 5 * LEASE);
    let renewed = World::new();
    renewed.upstream.next(&[slow]);
    let (owner, waiter) = (renewed.begin("a").await, renewed.begin("a").await);
    tokio::time::sleep(4 * LEASE).await;
    assert_eq!(renewed.state("a"), "running");
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");

    let lapsed = World::new();
    lapsed.upstream.next(&[slow]);
    lapsed.store.always(&[Renew], Refused);
    let (owner, waiter) = (lapsed.begin("a").await, lapsed.begin("a").await);
    lapsed.until("a", "unknown").await;
    lapsed.send("a").await.is_replay(201, "call 1");
    // The answer is worth having all the same.
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");
    assert_eq!((renewed.upstream.calls(), lapsed.upstream.calls()), (1, 1));
}
