//! The clock of a server jumps while a gateway runs. The gateway compares the clock with its own elapsed time
//! in each answer of the store.

use std::sync::Arc;
use std::time::Duration;

use oncegate::clock::Timestamp;
use oncegate::protocol::Resolution;
use oncegate::store::{ClockLimits, Stopped};
use tokio::time::sleep;

use crate::decisions;
use crate::events::Event;

use super::store::{Fault, Step};
use super::upstream::Play;
use super::world::{LEASE, OnTheWall, VirtualClock, World};

const HOUR: i64 = 3_600_000;
const LIMITS: ClockLimits =
    ClockLimits { ttl: Duration::from_secs(3600), retention: Duration::from_secs(10 * 3600) };
/// The time after which the gateway trusts the clock again.
const CALM: Duration = Duration::from_secs(7);

fn world() -> (World, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::set_to(Timestamp::now_on_the_wall()));
    (World::watching(clock.clone(), LIMITS), clock)
}

fn is_stopped(world: &World) -> bool {
    world.ledger.stopped().any(|reason| reason == Stopped::Clock)
}

/// Makes a stored response, an unknown outcome, and an operation that may run as execution 2.
async fn history(world: &World) {
    world.upstream.next(&[
        Play::Answer(201, Duration::ZERO),
        Play::Lost(Duration::ZERO),
        Play::Lost(Duration::ZERO),
    ]);
    world.send("paid").await.is_first(201, "call 1");
    world.send("lost").await.is_unknown(504);
    world.send("cleared").await.is_unknown(504);
    let cleared = Event::Resolve(Resolution::NotExecuted { force: true });
    decisions::apply(&world.ledger, world.id("cleared"), None, &cleared, None)
        .await
        .expect("the store answers");
    assert_eq!(world.state("cleared"), "cleared");
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_after_a_jump_decides_nothing_by_it() {
    for shift in [50 * HOUR, -50 * HOUR] {
        for first in ["paid", "lost", "cleared", "new"] {
            let (world, clock) = world();
            history(&world).await;
            clock.shift(shift);
            for key in [first, "paid", "lost", "cleared", "new"] {
                let told = world.send(key).await;
                match key {
                    "paid" => told.is_replay(201, "call 1"),
                    "lost" => told.is_unknown(409),
                    _ => told.is_store_unavailable(),
                }
            }
            assert!(is_stopped(&world), "{shift} {first}");
            // The claim in the answer that showed the jump was given back.
            assert_eq!((world.upstream.calls(), world.state("new")), (3, "absent"));
        }
    }
}

/// The answer to the claim is lost, and the repeated claim shows the jump.
#[tokio::test(start_paused = true)]
async fn a_claim_that_was_won_twice_is_given_back_too() {
    let (world, clock) = world();
    history(&world).await;
    clock.shift(50 * HOUR);
    world.store.next(Step::Claim, &[Fault::Unanswered]);
    world.send("new").await.is_store_unavailable();
    assert!(is_stopped(&world));
    assert_eq!((world.upstream.calls(), world.state("new")), (3, "absent"));
}

#[tokio::test(start_paused = true)]
async fn the_sweep_ends_nothing_and_a_silent_execution_lapses_all_the_same() {
    let (world, clock) = world();
    history(&world).await;
    world.upstream.next(&[Play::Answer(201, 3 * LEASE)]);
    let owner = world.begin("long").await;
    clock.shift(50 * HOUR);
    sleep(LEASE).await;
    for (key, state) in
        [("paid", "completed"), ("lost", "unknown"), ("cleared", "cleared"), ("long", "running")]
    {
        assert_eq!(world.state(key), state, "{key}");
    }
    owner.await.expect("no panic").is_first(201, "call 4");
    world.send("long").await.is_replay(201, "call 4");
    clock.shift(0);
    sleep(CALM).await;
    assert!(!is_stopped(&world));
    world.send("paid").await.is_replay(201, "call 1");
    world.send("cleared").await.is_first(201, "call 5");
    // By the right clock, every record ends in time.
    sleep(LIMITS.ttl).await;
    world.send("paid").await.is_problem(410, "key-expired", "yes", "never");
    // A record with a time of the wrong clock is kept longer.
    world.send("long").await.is_replay(201, "call 4");
}

/// A store that is away, answers late, or answers out of order still has the same clock.
#[tokio::test(start_paused = true)]
async fn slow_answers_are_no_jump() {
    let clock = Arc::new(VirtualClock::set_to(Timestamp::now_on_the_wall()));
    let world = World::watching(clock, ClockLimits { ttl: Duration::from_millis(100), ..LIMITS });
    let slow = Fault::Late(Duration::from_millis(900));
    for key in ["a", "b", "c"] {
        world.store.next(Step::Claim, &[slow]);
        let late = world.begin(key).await;
        // This attempt is asked after the late one and answered before it.
        assert_eq!(world.send("quick").await.status.is_success(), key == "a");
        late.await.expect("no panic");
        assert!(!is_stopped(&world), "{key}");
        sleep(Duration::from_secs(600)).await;
    }
    assert!(!is_stopped(&world));
}

#[tokio::test(start_paused = true)]
async fn less_than_the_shortest_ttl_is_no_jump_that_stops() {
    let (world, clock) = world();
    history(&world).await;
    clock.shift(HOUR - 60_000);
    world.send("paid").await.is_replay(201, "call 1");
    world.send("new").await.is_first(201, "call 4");
    clock.shift(2 * HOUR - 120_000);
    world.send("paid").await.is_problem(410, "key-expired", "yes", "never");
    assert!(!is_stopped(&world));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_clock_is_gone_by() {
    let (world, clock) = world();
    history(&world).await;
    clock.shift(5 * HOUR);
    world.send("new").await.is_store_unavailable();
    assert!(world.ledger.why(Stopped::Clock).contains("5h ahead"), "{}", world.ledger.why(Stopped::Clock));
    assert_eq!(world.ledger.accept_clock().await, Ok(true));
    assert!(!is_stopped(&world));
    world.send("paid").await.is_problem(410, "key-expired", "yes", "never");
    world.send("lost").await.is_unknown(409);
    world.send("new").await.is_first(201, "call 4");
    assert_eq!(world.ledger.accept_clock().await, Ok(false));
}
