//! Waiters on one gateway are told of what ends on another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oncegate::protocol::{Event, RecordId};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{TIMEOUT, store};
use crate::bench::{Bench, STILL, complete, id, owner};
use crate::servers::redis::Server;

async fn two(server: &Server) -> (Bench, Bench) {
    (Bench::of(Arc::new(store(server).await)), Bench::of(Arc::new(store(server).await)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_elsewhere_is_told_at_once() {
    let server = Server::start();
    let (a, b) = two(&server).await;
    let mut latencies = Vec::new();
    for number in 0..200 {
        a.won(id(number), owner(number), STILL).await;
        let woken = b.store.watch(id(number)).await.expect("a watch");
        let waiter = tokio::spawn(async move {
            timeout(TIMEOUT, woken).await.expect("told");
            Instant::now()
        });
        let started = Instant::now();
        a.apply(id(number), complete(owner(number), 1)).await;
        latencies.push(waiter.await.expect("a waiter").duration_since(started));
        assert_eq!(b.record(id(number)).await.state.name(), "completed");
    }
    latencies.sort();
    println!("woken after {:?} at the median, {:?} at the 99th percentile", latencies[100], latencies[197]);
    assert!(latencies[197] < Duration::from_millis(50), "{:?}", latencies[197]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_published_when_nobody_waits_or_nothing_ends() {
    let server = Server::start();
    let (a, b) = two(&server).await;
    for number in 0..20 {
        a.won(id(number), owner(1), STILL).await;
        a.apply(id(number), complete(owner(1), 1)).await;
    }
    assert_eq!(server.calls("publish"), 0);
    a.won(id(100), owner(1), STILL).await;
    let woken = b.store.watch(id(100)).await.expect("a watch");
    a.check(id(100), Event::Renew { owner: owner(1), n: 1 }).await;
    assert_eq!(server.calls("publish"), 0, "a renewal ends nothing, and does not forget who waits");
    a.check(id(100), Event::Release { owner: owner(1), n: 1 }).await;
    timeout(TIMEOUT, woken).await.expect("told of the release");
    assert_eq!(server.calls("publish"), 1);
    // What is over already has nobody to end it.
    let _never = b.store.watch(id(1)).await.expect("a watch");
    a.check(id(1), Event::Delete).await;
    assert_eq!(server.calls("publish"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_has_one_subscription_however_many_wait() {
    let server = Server::start();
    let (a, b) = two(&server).await;
    let subscribers = || server.say::<(String, u64)>("PUBSUB NUMSUB oncegate:ended").1;
    assert_eq!(subscribers(), 0);
    for number in 0..5 {
        a.won(id(number), owner(1), STILL).await;
    }
    let mut waiting = JoinSet::new();
    for number in 0..50 {
        waiting.spawn(b.store.watch(id(number % 5)).await.expect("a watch"));
    }
    assert_eq!(subscribers(), 1);
    for number in 0..5 {
        a.apply(id(number), complete(owner(1), 1)).await;
    }
    timeout(TIMEOUT, waiting.join_all()).await.expect("all told");
}

/// What was published meanwhile was missed, so everybody looks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_wakes_everybody_and_is_made_again() {
    let server = Server::start();
    let (a, b) = two(&server).await;
    a.won(id(1), owner(1), STILL).await;
    let woken = b.store.watch(id(1)).await.expect("a watch");
    server.say::<()>("CLIENT KILL TYPE pubsub");
    timeout(TIMEOUT, woken).await.expect("woken");
    let woken = watch_again(&b, id(1)).await;
    a.apply(id(1), complete(owner(1), 1)).await;
    timeout(TIMEOUT, woken).await.expect("told");
}

async fn watch_again(bench: &Bench, id: RecordId) -> oncegate::store::Woken {
    loop {
        match bench.store.watch(id).await {
            Ok(woken) => return woken,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
