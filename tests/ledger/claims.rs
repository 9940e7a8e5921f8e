//! The time before the call of the upstream: a store that is down, and claims with an unclear result. A
//! gateway sends nothing unless it holds the claim.

use super::store::Fault::{Late, Lost, Refused, Silence, Unanswered};
use super::store::Step::{self, Claim, Read, Release};
use super::world::{STORE_TIMEOUT, World};

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_refuses_everything_and_nothing_is_sent() {
    for fault in [Refused, Lost, Silence] {
        let world = World::new();
        world.store.always(&Step::ALL, fault);
        for key in ["a", "b", "a"] {
            world.send(key).await.is_store_unavailable();
        }
        assert_eq!((world.upstream.calls(), world.state("a"), world.state("b")), (0, "absent", "absent"));
        world.store.heal();
        world.send("a").await.is_first(201, "call 1");
        world.send("a").await.is_replay(201, "call 1");
    }
}

/// The owner repeats its claim, and wins the claim that it had already won.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_won_by_asking_again() {
    for lost in [Unanswered, Lost, Late(2 * STORE_TIMEOUT), Silence] {
        let world = World::new();
        world.store.next(Claim, &[lost]);
        world.send("a").await.is_first(201, "call 1");
        world.send("a").await.is_replay(201, "call 1");
        assert_eq!(world.upstream.executions(), ["1"]);
        world.store.heal();
    }
}

/// The claim is in the store, but this gateway cannot know that.
#[tokio::test(start_paused = true)]
async fn an_unclear_claim_sends_nothing_and_is_released_for_the_next_attempt() {
    for second in [Unanswered, Lost, Refused, Silence] {
        let world = World::rejecting();
        world.store.next(Claim, &[Unanswered, second]);
        world.store.always(&[Read], Refused);
        world.send("a").await.is_store_unavailable();
        assert_eq!((world.upstream.calls(), world.state("a")), (0, "running"));
        // Until the store answers again, the key is in flight and is reported as such.
        world.send("a").await.is_in_flight();
        world.store.heal();
        world.until("a", "absent").await;
        world.send("a").await.is_first(201, "call 1");
        assert_eq!(world.upstream.executions(), ["1"]);
    }
}

/// An attempt that waits for an unclear claim runs after the claim is released.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_an_unclear_claim_runs_when_it_is_released() {
    let world = World::new();
    world.store.next(Claim, &[Unanswered, Lost]);
    world.store.next(Release, &[Lost, Refused]);
    world.send("a").await.is_store_unavailable();
    let waiting = world.begin("a").await;
    assert_eq!(world.upstream.calls(), 0);
    waiting.await.expect("no panic").is_first(201, "call 1");
    assert_eq!(world.upstream.executions(), ["1"]);
    world.store.heal();
}

/// The release comes before the claim and does not find it. The claim then lapses with time, and is never
/// followed by a call.
#[tokio::test(start_paused = true)]
async fn a_claim_that_lands_after_it_was_given_up_lapses() {
    let world = World::rejecting();
    let late = Late(5 * STORE_TIMEOUT);
    world.store.next(Claim, &[late, late]);
    world.send("a").await.is_store_unavailable();
    world.until("a", "running").await;
    world.send("a").await.is_in_flight();
    world.until("a", "unknown").await;
    world.send("a").await.is_unknown(409);
    assert_eq!(world.upstream.calls(), 0);
    world.store.heal();
}

/// The lease is over before the claim is answered, so nothing may be sent any more. For the last key, a sweep
/// has made the outcome unknown before the repeated claim finds the record.
#[tokio::test(start_paused = true)]
async fn a_claim_answered_after_its_lease_sends_nothing_and_is_released() {
    let world = World::with_lease(STORE_TIMEOUT / 4);
    let (late, after_a_sweep) = (Late(STORE_TIMEOUT / 2), Late(STORE_TIMEOUT * 9 / 10));
    world.store.next(Claim, &[late, Unanswered, late, Unanswered, after_a_sweep]);
    for key in ["a", "b", "c"] {
        world.send(key).await.is_problem(502, "upstream-unreachable", "no", "same-key");
        assert_eq!((world.upstream.calls(), world.state(key)), (0, "absent"));
    }
    world.store.heal();
    world.send("a").await.is_first(201, "call 1");
}

/// A client that leaves while its claim is on the way leaves an operation that runs.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_during_the_claim_leaves_an_execution() {
    let world = World::new();
    world.store.next(Claim, &[Late(STORE_TIMEOUT / 2)]);
    let attempt = world.begin("a").await;
    attempt.abort();
    assert!(attempt.await.expect_err("it was aborted").is_cancelled());
    world.until("a", "completed").await;
    world.send("a").await.is_replay(201, "call 1");
    assert_eq!(world.upstream.calls(), 1);
    world.store.heal();
}
