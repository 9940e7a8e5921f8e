//! The time after the upstream's response: completions that are late, lost or refused, and renewals that
//! cross them.

use std::time::Duration;

use oncegate::config::UnknownAnswers;

use super::store::Fault::{Late, Lost, Nothing, Refused, Silence, Unanswered};
use super::store::Step::{self, Claim, Complete, Lose, Release, Renew};
use super::upstream::Play;
use super::world::{LEASE, MAX_IN_FLIGHT, STORE_TIMEOUT, World};

/// The client gets the true response, the store gets it later, and no second execution runs.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_stored_is_given_unstored_and_stored_later() {
    for fault in [Refused, Lost, Silence] {
        let world = World::new();
        world.store.always(&[Complete], fault);
        let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
        owner.await.expect("no panic").is_unstored(201, "call 1");
        waiter.await.expect("no panic").is_unstored(201, "call 1");
        // The lease is no longer renewed. With time, the outcome becomes unknown until it can be stored.
        world.until("a", "unknown").await;
        // This process knows more than the record that it cannot write.
        world.send("a").await.is_unstored(201, "call 1");
        world.store.heal();
        // The first attempt that the store answers again finds the outcome written.
        world.send("a").await.is_replay(201, "call 1");
        assert_eq!(world.state("a"), "completed");
        assert_eq!(world.upstream.calls(), 1);
    }
}

/// The store becomes unreachable after the claim is made.
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

/// The loss cannot be recorded, and the outcome still becomes unknown.
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

/// The renewal may reach the store before or after the completion, or its result may never arrive.
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

/// The upstream needs more time than the lease.
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
    // The response is still useful.
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");
    assert_eq!((renewed.upstream.calls(), lapsed.upstream.calls()), (1, 1));
}

/// The store becomes unreachable while an execution runs in this process. Its duplicates need no store to get
/// its response.
#[tokio::test(start_paused = true)]
async fn duplicates_of_what_runs_here_wait_for_it_without_the_store() {
    for (world, waits) in [(World::new(), true), (World::rejecting(), false)] {
        world.upstream.next(&[Play::Answer(201, LEASE / 2)]);
        let owner = world.begin("a").await;
        world.store.always(&Step::ALL, Refused);
        let duplicate = world.begin("a").await;
        owner.await.expect("no panic").is_unstored(201, "call 1");
        let duplicate = duplicate.await.expect("no panic");
        if waits {
            duplicate.is_unstored(201, "call 1")
        } else {
            duplicate.is_in_flight()
        }
        assert_eq!(world.upstream.calls(), 1);
    }
}

/// Without a free permit and with an unreachable store, this process still answers with the outcome that
/// it knows.
#[tokio::test(start_paused = true)]
async fn what_is_not_written_is_told_without_a_place() {
    let world = World::rejecting();
    world.store.always(&[Complete], Refused);
    world.send("a").await.is_unstored(201, "call 1");
    world.upstream.next(&[Play::Answer(201, LEASE); MAX_IN_FLIGHT]);
    let mut running = Vec::new();
    for key in ["b", "c", "d", "e", "f", "g", "h"] {
        running.push(world.begin(key).await);
    }
    assert_eq!(world.upstream.calls(), MAX_IN_FLIGHT, "all places are taken");
    world.store.always(&Step::ALL, Refused);
    world.send("a").await.is_unstored(201, "call 1");
    assert_eq!(world.upstream.calls(), MAX_IN_FLIGHT);
}

/// An unknown outcome that the sweeper has counted is not counted again when its owner reports it.
#[tokio::test(start_paused = true)]
async fn an_outcome_becomes_unknown_once() {
    let world = World::new();
    world.upstream.next(&[Play::Lost(3 * LEASE)]);
    world.store.always(&[Renew], Refused);
    world.send("a").await.is_unknown(504);
    let metrics = world.metrics.encode();
    let counted: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("oncegate_unknown_total{")).collect();
    assert_eq!(counted.iter().filter(|line| line.ends_with(" 1")).count(), 1, "{counted:?}");
    assert!(counted.iter().all(|line| line.ends_with(" 1") || line.ends_with(" 0")), "{counted:?}");
}

/// A listed status says that the operation was not executed, also while this cannot be written.
#[tokio::test(start_paused = true)]
async fn a_problem_hides_only_statuses_that_say_nothing() {
    let world = World::with(|route| route.unknown_answers = UnknownAnswers::Problem);
    world.upstream.next(&[Play::Answer(429, Duration::ZERO), Play::Answer(503, Duration::ZERO)]);
    world.store.next(Release, &[Refused]);
    let shed = world.send("a").await;
    assert_eq!((shed.status.as_u16(), shed.header("idempotency-outcome")), (429, Some("unknown")));
    world.send("b").await.is_unknown(504);
}
