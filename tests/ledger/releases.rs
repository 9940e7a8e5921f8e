//! Executions that provably did nothing. The key is free again once the release is recorded, and the client
//! is not told "not executed" before that.

use std::time::Duration;

use oncegate::protocol::OnUnknown;

use crate::decisions;
use crate::events::{Event, Verdict};

use super::store::Fault::{Late, Lost, Refused, Silence, Unanswered};
use super::store::Step::Release;
use super::upstream::Play;
use super::world::{Answer, STORE_TIMEOUT, World, new_owner};

const AT_ONCE: Duration = Duration::ZERO;

#[track_caller]
fn is_unreachable(answer: &Answer) {
    answer.is_problem(502, "upstream-unreachable", "no", "same-key");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_release_frees_the_key() {
    let world = World::new();
    world.upstream.next(&[Play::Unreachable, Play::Answer(429, AT_ONCE), Play::Answer(503, AT_ONCE)]);
    is_unreachable(&world.send("a").await);
    let shed = world.send("a").await;
    assert_eq!((shed.status.as_u16(), shed.header("idempotency-outcome")), (429, Some("released")));
    let unsure = world.send("a").await;
    assert_eq!((unsure.status.as_u16(), unsure.header("idempotency-outcome")), (503, Some("unknown")));
    world.send("a").await.is_unknown(409);
    assert_eq!(world.upstream.executions(), ["1", "1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn not_executed_is_not_said_before_it_is_recorded() {
    for fault in [Refused, Lost, Silence] {
        let world = World::rejecting();
        world.upstream.next(&[Play::Unreachable, Play::Answer(429, AT_ONCE)]);
        world.store.always(&[Release], fault);
        world.send("a").await.is_store_unavailable();
        let shed = world.send("b").await;
        assert_eq!((shed.status.as_u16(), shed.header("idempotency-outcome")), (429, Some("unknown")));
        // This process knows that nothing was done, and does not say more than it could write.
        world.send("a").await.is_store_unavailable();
        let shed = world.send("b").await;
        assert_eq!((shed.status.as_u16(), shed.header("idempotency-outcome")), (429, Some("unknown")));
        assert_eq!(world.upstream.calls(), 2);
        world.store.heal();
        for key in ["a", "b"] {
            world.until(key, "absent").await;
            assert_eq!(world.send(key).await.status, 201);
        }
        assert_eq!(world.upstream.calls(), 4);
    }
}

/// The release is recorded after the lease has lapsed, so it starts from unknown.
#[tokio::test(start_paused = true)]
async fn a_release_recorded_late_frees_a_key_that_was_held() {
    let world = World::new();
    world.upstream.next(&[Play::Unreachable]);
    world.store.always(&[Release], Refused);
    world.send("a").await.is_store_unavailable();
    world.until("a", "unknown").await;
    // This process knows that nothing was sent. It answers only that it cannot write this.
    world.send("a").await.is_store_unavailable();
    world.store.heal();
    // At the store's first answer the release is written, and the same attempt runs.
    world.send("a").await.is_first(201, "call 2");
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_answer_was_lost_is_read_back() {
    for lost in [Unanswered, Lost, Late(2 * STORE_TIMEOUT), Silence] {
        let world = World::new();
        world.upstream.next(&[Play::Unreachable]);
        world.store.next(Release, &[lost]);
        is_unreachable(&world.send("a").await);
        let next = world.begin("a").await;
        tokio::time::sleep(3 * STORE_TIMEOUT).await;
        // The late release belongs to the first execution and must not free the second.
        next.await.expect("no panic").is_first(201, "call 2");
        world.send("a").await.is_replay(201, "call 2");
        world.store.heal();
    }
}

/// Execution 2 did nothing, and the outcome of execution 1 is unknown.
#[tokio::test(start_paused = true)]
async fn a_release_frees_nothing_while_an_earlier_execution_is_undecided() {
    // The route keeps nothing of a request, so no attempt can show that it has the same bytes.
    let world = World::with(|route| route.policy.on_unknown = OnUnknown::Retry { window: None });
    world.upstream.next(&[Play::Lost(AT_ONCE)]);
    world.send("a").await.is_unknown(504);
    let (id, owner) = (world.id("a"), new_owner());
    let after = world.record("a").and_then(|record| record.state.owner()).expect("an owner");
    let steps = [
        (Event::TakeOver { owner, after, n: 1 }, Verdict::Won { n: 2 }),
        (Event::Release { owner, n: 2 }, Verdict::StillUnknown),
    ];
    for (event, expected) in steps {
        let decision =
            decisions::apply(&world.ledger, id, None, &event, None).await.expect("the store answers");
        assert_eq!(decision.verdict, expected);
    }
    assert_eq!(world.state("a"), "unknown");
    world.send("a").await.is_unknown(409);
    assert_eq!(world.upstream.calls(), 1);
}
