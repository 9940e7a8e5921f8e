//! Waiters on one gateway learn of outcomes on another: checks over two stores on one server.

use std::time::{Duration, Instant};

use oncegate::protocol::RecordId;
use oncegate::store::Woken;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bench::{Bench, STILL, complete, id, owner};

/// The longest time that a wait may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub async fn a_waiter_elsewhere_is_told_at_once(a: Bench, b: Bench) {
    let mut latencies = Vec::new();
    for number in 0..200 {
        a.won(id(number), owner(number), STILL).await;
        let woken = b.store.watch(id(number)).await.expect("a watch");
        let waiter = tokio::spawn(async move {
            timeout(PATIENCE, woken).await.expect("told");
            Instant::now()
        });
        let started = Instant::now();
        a.apply(id(number), complete(owner(number), 1)).await;
        latencies.push(waiter.await.expect("a waiter").duration_since(started));
        assert_eq!(b.record(id(number)).await.state.name(), "completed");
    }
    latencies.sort();
    println!("woken after {:?} at the median, {:?} at the 99th percentile", latencies[100], latencies[197]);
    // Other tests use the processors, too, and may hold up a few wakeups. A poll would hold up half of them.
    assert!(latencies[100] < Duration::from_millis(50), "{:?}", latencies[100]);
}

/// Many waiters wait for a few records, and all of them are woken.
pub async fn everybody_is_told(a: Bench, b: Bench, while_they_wait: impl AsyncFnOnce()) {
    for number in 0..5 {
        a.won(id(number), owner(1), STILL).await;
    }
    let mut waiting = JoinSet::new();
    for number in 0..50 {
        waiting.spawn(b.store.watch(id(number % 5)).await.expect("a watch"));
    }
    while_they_wait().await;
    for number in 0..5 {
        a.apply(id(number), complete(owner(1), 1)).await;
    }
    timeout(PATIENCE, waiting.join_all()).await.expect("all told");
}

/// Notifications were missed meanwhile, so every waiter reads its record again. `lose` ends the subscription.
pub async fn a_lost_subscription_wakes_everybody_and_is_made_again(
    a: Bench,
    b: Bench,
    lose: impl AsyncFnOnce(),
) {
    a.won(id(1), owner(1), STILL).await;
    let woken = b.store.watch(id(1)).await.expect("a watch");
    lose().await;
    timeout(PATIENCE, woken).await.expect("woken");
    let woken = watch_again(&b, id(1)).await;
    a.apply(id(1), complete(owner(1), 1)).await;
    timeout(PATIENCE, woken).await.expect("told");
}

async fn watch_again(bench: &Bench, id: RecordId) -> Woken {
    loop {
        match bench.store.watch(id).await {
            Ok(woken) => return woken,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
