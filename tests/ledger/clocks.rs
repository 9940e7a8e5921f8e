//! An operation runs once and comes to an end, with any clocks.

use std::sync::Arc;
use std::time::Duration;

use oncegate::clock::{Clock, ManualClock, Timestamp};
use tokio::time::sleep;

use super::upstream::Play;
use super::world::{LEASE, OnTheWall, VirtualClock, World};

const HOUR: Duration = Duration::from_secs(3600);

/// Runs an operation that is slower than its lease, so that its end depends on the clocks.
async fn runs_once(clock: Arc<dyn Clock>) {
    let world = World::with_clock(clock, |_| {});
    world.upstream.next(&[Play::Answer(201, 4 * LEASE), Play::Lost(4 * LEASE)]);
    let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
    owner.await.expect("no panic").is_first(201, "call 1");
    waiter.await.expect("no panic").is_replay(201, "call 1");
    world.send("b").await.is_unknown(504);
    world.send("a").await.is_replay(201, "call 1");
    world.send("b").await.is_unknown(409);
    assert_eq!(world.upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_an_hour_ahead_of_or_behind_the_wall_changes_nothing() {
    let wall = Timestamp::now_on_the_wall();
    for clock in [wall.plus(HOUR), Timestamp(wall.0 - 3_600_000), Timestamp(0)] {
        runs_once(Arc::new(VirtualClock::set_to(clock))).await;
    }
}

/// Time passes for the gateway and not for the store, so leases do not end.
#[tokio::test(start_paused = true)]
async fn a_store_whose_clock_stands_still_changes_nothing() {
    runs_once(Arc::new(ManualClock::at(Timestamp::now_on_the_wall()))).await;
}

/// The lease is over by the clock of the store, although the owner renewed it a moment ago.
#[tokio::test(start_paused = true)]
async fn a_store_whose_clock_leaps_lapses_the_lease_and_takes_the_answer_all_the_same() {
    let clock = Arc::new(ManualClock::at(Timestamp::now_on_the_wall()));
    let world = World::with_clock(clock.clone(), |_| {});
    world.upstream.next(&[Play::Answer(201, 4 * LEASE)]);
    let owner = world.begin("a").await;
    sleep(LEASE).await;
    assert_eq!(world.state("a"), "running");
    clock.advance(HOUR);
    world.until("a", "unknown").await;
    // The operation runs in this process, even if the record says otherwise, so a retry waits for it.
    world.send("a").await.is_replay(201, "call 1");
    owner.await.expect("no panic").is_first(201, "call 1");
    world.send("a").await.is_replay(201, "call 1");
    assert_eq!(world.upstream.calls(), 1);
}

/// Retention follows the clock of the store, however little time has passed elsewhere.
#[tokio::test(start_paused = true)]
async fn a_response_is_kept_for_its_ttl_on_the_stores_clock() {
    let clock = Arc::new(ManualClock::at(Timestamp(3_600_000)));
    let world = World::with_clock(clock.clone(), |_| {});
    world.send("a").await.is_first(201, "call 1");
    assert_eq!(world.record("a").expect("a record").updated_at, Timestamp(3_600_000));
    let ttl = world.record("a").expect("a record").policy.ttl;
    clock.advance(ttl - Duration::from_millis(1));
    world.send("a").await.is_replay(201, "call 1");
    clock.advance(Duration::from_millis(1));
    world.send("a").await.is_problem(410, "key-expired", "yes", "never");
    assert_eq!(world.upstream.calls(), 1);
}
