//! Two gateways on one store: one of them tells.

use std::time::Duration;

use tokio::time::sleep;

use crate::harness::{Gateway, Settings};
use crate::servers::{postgres, redis};
use crate::world::{events, failing_api, leave_unknown, reached, receiver, telling, times, until_told_of};

/// Makes outcomes unknown on two gateways, kills one of them, and goes on with the other. Called with both
/// values of `kills_first`, it also kills the gateway that held the lease.
async fn events_are_told_once(store: &str, kills_first: bool) {
    let (api, receiver) = (failing_api().await, receiver().await);
    let settings = || -> Settings { telling(receiver.address).store(store) };
    let (mut first, mut second) =
        (Gateway::start(&api, settings()).await, Gateway::start(&api, settings()).await);
    for number in 0..6 {
        let gateway = if number % 2 == 0 { &first } else { &second };
        leave_unknown(gateway, &format!("k-{number}")).await;
    }
    until_told_of(&receiver, 6).await;
    let told = events(&receiver);
    // The event of another outcome comes after the notes about the others.
    leave_unknown(&first, "k-6").await;
    until_told_of(&receiver, 7).await;
    let left = if kills_first {
        first.kill().await;
        second
    } else {
        second.kill().await;
        first
    };
    leave_unknown(&left, "k-7").await;
    until_told_of(&receiver, 8).await;
    for event in told {
        assert_eq!(times(&receiver, &event["id"]), 1, "{event}");
    }
}

#[tokio::test]
async fn two_gateways_on_redis_tell_each_event_once() {
    let server = redis::Server::start();
    let store = |number: u8| format!("url = \"redis://127.0.0.1:{}\"\nprefix = \"p{number}:\"", server.port);
    let (one, other) = (store(1), store(2));
    tokio::join!(events_are_told_once(&one, true), events_are_told_once(&other, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_postgres_tell_each_event_once() {
    let server = tokio::task::spawn_blocking(postgres::shared).await.expect("a server");
    let store = || {
        format!(
            "url = \"postgres://oncegate@127.0.0.1:{}/postgres\"\nschema = \"{}\"",
            server.port,
            postgres::schema()
        )
    };
    let (one, other) = (store(), store());
    tokio::join!(events_are_told_once(&one, true), events_are_told_once(&other, false));
}

/// Waits until a gateway has looked at the lease twice more.
async fn looks_twice(gateway: &Gateway) {
    let sample = "oncegate_store_duration_seconds_count{op=\"notifier\"}";
    let before = gateway.metric(sample).await;
    while gateway.metric(sample).await < before + 2 {
        sleep(Duration::from_millis(50)).await;
    }
}

/// While one gateway waits for the answer to an event, the other one sends nothing.
#[tokio::test]
async fn the_gateway_without_the_lease_sends_nothing() {
    let server = redis::Server::start();
    let (api, receiver) = (failing_api().await, receiver().await);
    let store = format!("url = \"redis://127.0.0.1:{}\"", server.port);
    let settings = || -> Settings { telling(receiver.address).store(&store) };
    let (first, second) = (Gateway::start(&api, settings()).await, Gateway::start(&api, settings()).await);
    receiver.hold();
    leave_unknown(&first, "k-1").await;
    reached(&receiver, 1).await;
    tokio::join!(looks_twice(&first), looks_twice(&second));
    // A delivery that takes too long is repeated by the same gateway.
    let failed = "oncegate_notifications_total{outcome=\"failed\"}";
    let sent = receiver.executions() as u64;
    let repeated = first.metric(failed).await + second.metric(failed).await;
    assert!(sent <= 1 + repeated, "{sent} deliveries, {repeated} of them repeated");
    receiver.let_go();
}
