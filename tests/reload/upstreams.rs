//! Upstreams that change while requests are under way.

use tokio::time::{Duration, timeout};

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::place::{in_force, reload, running};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_execution_ends_where_it_began_and_the_next_goes_to_the_new_address() {
    let (old, new) = (Upstream::start().await, Upstream::start().await);
    let gateway = Gateway::start(&old, Settings::default()).await;
    let (address, first) = (gateway.address, running(&gateway, &old, "/v1/charges").await);
    let (from, to) = (old.address.to_string(), new.address.to_string());
    gateway.rewrite(|text| text.replace(&from, &to));
    let shown = in_force(&reload(&gateway).await);
    assert_eq!(shown["changed"], serde_json::json!(["upstreams.payments.url"]));
    assert_eq!(post(address, "/v1/charges", "after", "{}").await.status, 201);
    assert_eq!((old.executions(), new.executions()), (1, 1));
    // A duplicate of the running operation waits for it, across the change.
    let duplicate = tokio::spawn(async move { post(address, "/v1/charges", "running", "{}").await });
    gateway.duplicates(1).await;
    old.let_go();
    assert_eq!(first.await.expect("no panic").status, 201);
    assert!(duplicate.await.expect("no panic").is_replay());
    assert_eq!((old.executions(), new.executions()), (1, 1));
    gateway.logs("no request uses the earlier settings of the upstream any more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_stay_keep_their_connections() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().upstream("idle_timeout = \"60s\"")).await;
    assert_eq!(post(gateway.address, "/v1/charges", "before", "{}").await.status, 201);
    gateway.rewrite(|text| text.replace("name = \"pay\"", "name = \"pay\"\nttl = \"2h\""));
    in_force(&reload(&gateway).await);
    // Each worker has connections of its own, so a few requests may make new ones. They never lose one.
    let made = upstream.connections();
    for round in 0..50 {
        let key = format!("after-{round}");
        assert_eq!(post(gateway.address, "/v1/charges", &key, "{}").await.status, 201);
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(upstream.connections() <= made.max(workers + 1), "{}", upstream.connections());
    assert_eq!(upstream.closed(), 0, "a connection was closed");
    assert!(!gateway.log().contains("no request uses the earlier settings"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_removed_finishes_what_it_began() {
    let (old, new) = (Upstream::start().await, Upstream::start().await);
    let gateway = Gateway::start(&old, Settings::default()).await;
    let (address, first) = (gateway.address, running(&gateway, &old, "/v1/charges").await);
    let (from, to) = (old.address.to_string(), new.address.to_string());
    gateway.rewrite(|text| {
        text.replace(&from, &to)
            .replace("[upstreams.payments]", "[upstreams.other]")
            .replace("upstream = \"payments\"", "upstream = \"other\"")
    });
    in_force(&reload(&gateway).await);
    assert_eq!(post(address, "/v1/charges", "after", "{}").await.status, 201);
    old.let_go();
    assert_eq!(first.await.expect("no panic").status, 201);
    assert_eq!((old.executions(), new.executions()), (1, 1));
}

/// Each generation of an upstream is told apart, also when earlier settings come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_goes_to_and_fro() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    let gateway = Gateway::start(&one, Settings::default()).await;
    let (mut from, mut to) = (&one, &two);
    for round in 1..=4 {
        let (here, there) = (from.address.to_string(), to.address.to_string());
        gateway.rewrite(|text| text.replace(&here, &there));
        in_force(&reload(&gateway).await);
        let before = to.executions();
        let key = format!("round-{round}");
        let answer = timeout(Duration::from_secs(10), post(gateway.address, "/v1/charges", &key, "{}")).await;
        assert_eq!(answer.expect("in time").status, 201);
        assert_eq!(to.executions(), before + 1, "round {round}");
        std::mem::swap(&mut from, &mut to);
    }
}
