//! An operator decides the record while its owner still runs. The owner's client and every waiter then get
//! the outcome of the record, and never that of the owner.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use oncegate::protocol::{Resolution, ResponseRef, StoredResponse};
use tokio::task::JoinHandle;

use crate::decisions;
use crate::events::{Event, Verdict};

use super::store::Fault::Refused;
use super::store::Step::{Complete, Read, Renew};
use super::upstream::Play;
use super::world::{Answer, LEASE, World, new_owner};

/// Returns the world, an owner that runs after its lease lapsed, and a duplicate that waits for it.
async fn lapsed() -> (World, JoinHandle<Answer>, JoinHandle<Answer>) {
    let world = World::new();
    world.upstream.next(&[Play::Answer(201, 3 * LEASE)]);
    world.store.always(&[Renew], Refused);
    let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
    world.until("a", "unknown").await;
    world.store.heal();
    (world, owner, waiter)
}

async fn resolve(world: &World, resolution: Resolution, response: Option<&StoredResponse>) {
    let resolved =
        decisions::apply(&world.ledger, world.id("a"), None, &Event::Resolve(resolution), response).await;
    assert_eq!(resolved.expect("the store answers").verdict, Verdict::Resolved);
}

/// Returns a response as an operator found it in the upstream's ledger.
fn found() -> (ResponseRef, StoredResponse) {
    let headers = vec![(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))];
    let body = Bytes::from_static(b"found in the books");
    let response = StoredResponse { status: StatusCode::ACCEPTED, headers, body };
    (ResponseRef { id: new_owner(), status: 202, retained: true }, response)
}

#[tokio::test(start_paused = true)]
async fn a_response_that_an_operator_supplied_stays_the_response() {
    let (world, owner, waiter) = lapsed().await;
    let (reference, response) = found();
    resolve(&world, Resolution::Executed(Some(reference)), Some(&response)).await;
    let stored = world.record("a");
    for attempt in [owner, waiter] {
        attempt.await.expect("no panic").is_replay(202, "found in the books");
    }
    assert_eq!(world.record("a"), stored);
    world.send("a").await.is_replay(202, "found in the books");
    assert_eq!(world.upstream.calls(), 1);
}

/// The record cannot be read at that moment, so the owner's response does not count as that of the record.
#[tokio::test(start_paused = true)]
async fn an_owner_that_cannot_read_who_overruled_it_says_that_its_answer_is_not_stored() {
    let (world, owner, waiter) = lapsed().await;
    let (reference, response) = found();
    resolve(&world, Resolution::Executed(Some(reference)), Some(&response)).await;
    world.store.next(Read, &[Refused]);
    for attempt in [owner, waiter] {
        attempt.await.expect("no panic").is_unstored(201, "call 1");
    }
    world.store.heal();
    world.send("a").await.is_replay(202, "found in the books");
    assert_eq!(world.upstream.calls(), 1);
}

/// The operation is known to be executed, but its response is missing. The owner still has the response.
#[tokio::test(start_paused = true)]
async fn a_settled_operation_still_takes_its_owners_answer() {
    let (world, owner, waiter) = lapsed().await;
    resolve(&world, Resolution::Executed(None), None).await;
    world.send("a").await.is_problem(409, "outcome-settled", "yes", "never");
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");
    world.send("a").await.is_replay(201, "call 1");
    assert_eq!(world.upstream.calls(), 1);
}

/// The operator was wrong, and the operation has not run again yet. The owner's response is the truth.
#[tokio::test(start_paused = true)]
async fn an_operation_cleared_by_force_still_takes_its_owners_answer() {
    let (world, owner, waiter) = lapsed().await;
    resolve(&world, Resolution::NotExecuted { force: true }, None).await;
    assert_eq!(world.state("a"), "cleared");
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");
    world.send("a").await.is_replay(201, "call 1");
    assert_eq!(world.upstream.calls(), 1);
}

/// The operator was wrong, and the operation ran again. The late response of the first owner is dropped.
#[tokio::test(start_paused = true)]
async fn the_answer_of_an_execution_that_was_followed_by_another_is_dropped() {
    let (world, owner, waiter) = lapsed().await;
    resolve(&world, Resolution::NotExecuted { force: true }, None).await;
    world.upstream.next(&[Play::Answer(201, 5 * LEASE)]);
    let second = world.begin("a").await;
    assert_eq!(world.upstream.executions(), ["1", "2"]);
    owner.await.expect("no panic").is_in_flight();
    second.await.expect("no panic").is_first(201, "call 2");
    waiter.await.expect("no panic").is_replay(201, "call 2");
    world.send("a").await.is_replay(201, "call 2");
    assert_eq!(world.upstream.calls(), 2);
}

/// The store has lost the record of a running execution: the record was evicted, or the store was restored
/// from a backup.
#[tokio::test(start_paused = true)]
async fn a_lost_record_lets_nothing_run_beside_the_execution_it_was_of() {
    for world in [World::new(), World::rejecting()] {
        let is_waiting = world.is_waiting();
        world.upstream.next(&[Play::Answer(201, LEASE / 2)]);
        let owner = world.begin("a").await;
        world.forget("a").await;
        let other = world.begin("a").await;
        owner.await.expect("no panic").is_unstored(201, "call 1");
        let other = other.await.expect("no panic");
        if is_waiting {
            other.is_unstored(201, "call 1")
        } else {
            other.is_in_flight()
        }
        // The claim that was made in between is gone as well.
        assert_eq!((world.upstream.calls(), world.state("a")), (1, "absent"));
    }
}

/// The store has lost the record while the outcome of its execution waits to be written.
#[tokio::test(start_paused = true)]
async fn a_lost_record_lets_nothing_run_before_the_outcome_is_written() {
    let world = World::rejecting();
    world.store.always(&[Complete], Refused);
    world.send("a").await.is_unstored(201, "call 1");
    world.forget("a").await;
    world.send("a").await.is_unstored(201, "call 1");
    assert_eq!(world.upstream.calls(), 1);
}

/// An outcome is written late, after an operator let another execution run. The outcome does not belong to
/// that execution.
#[tokio::test(start_paused = true)]
async fn what_an_earlier_execution_came_to_is_not_told_of_a_later_one() {
    let world = World::new();
    world.store.always(&[Complete], Refused);
    world.send("a").await.is_unstored(201, "call 1");
    world.until("a", "unknown").await;
    resolve(&world, Resolution::NotExecuted { force: true }, None).await;
    world.upstream.next(&[Play::Answer(202, 3 * LEASE)]);
    let (second, waiting) = (world.begin("a").await, world.begin("a").await);
    tokio::time::sleep(LEASE).await;
    world.store.heal();
    second.await.expect("no panic").is_first(202, "call 2");
    waiting.await.expect("no panic").is_replay(202, "call 2");
    world.send("a").await.is_replay(202, "call 2");
    assert_eq!(world.upstream.calls(), 2);
}
