//! Waiters on one gateway learn of outcomes on another, with one subscription and only while they wait.

use std::sync::Arc;

use tokio::time::timeout;

use crate::bench::{Bench, STILL, complete, id, owner};
use crate::events::Event;
use crate::servers::redis::Server;
use crate::wakeups::{self, PATIENCE};

use super::store;

async fn two(server: &Server) -> (Bench, Bench) {
    (Bench::of(Arc::new(store(server).await)), Bench::of(Arc::new(store(server).await)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_elsewhere_is_told_at_once() {
    let server = Server::start();
    let (a, b) = two(&server).await;
    wakeups::a_waiter_elsewhere_is_told_at_once(a, b).await;
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
    timeout(PATIENCE, woken).await.expect("told of the release");
    assert_eq!(server.calls("publish"), 1);
    // This operation is already over, so no notification follows.
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
    wakeups::everybody_is_told(a, b, async || assert_eq!(subscribers(), 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_wakes_everybody_and_is_made_again() {
    let server = Server::start();
    let (a, b) = two(&server).await;
    let lose = async || server.say::<()>("CLIENT KILL TYPE pubsub");
    wakeups::a_lost_subscription_wakes_everybody_and_is_made_again(a, b, lose).await;
}
