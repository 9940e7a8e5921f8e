//! Gateways with clocks that are an hour apart: the clock of the store decides.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::servers::preload;
use crate::store::{Store, on_every_store};

on_every_store!(an_hour_ahead_ends_no_lease_and_no_ttl);

async fn an_hour_ahead_ends_no_lease_and_no_ttl(store: Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let library = preload::compile("tests/fleet/clock_ahead.c", directory.path());
    let upstream = Upstream::start().await;
    let route = "lease = \"10s\"\nttl = \"20m\"\nwait_timeout = \"100ms\"";
    let settings = Settings::route(route).store(&store.lines());
    let right = Gateway::start(&upstream, settings.clone()).await;
    let ahead = settings.env("LD_PRELOAD", &library.display().to_string());
    let ahead = Gateway::start(&upstream, ahead).await;
    let stamp = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        humantime::parse_rfc3339(line["timestamp"].as_str().expect("a time")).expect("a time")
    };
    let apart = stamp(&ahead.logs("ready").await).duration_since(stamp(&right.logs("ready").await));
    assert!(apart.expect("it is ahead") > Duration::from_secs(3500), "the library has no effect");

    for (round, (owner, other)) in [(&right, &ahead), (&ahead, &right)].into_iter().enumerate() {
        let key = format!("k-{round}");
        upstream.hold();
        let (to, client) = (owner.address, key.clone());
        let first = tokio::spawn(async move { post(to, "/v1/charges", &client, "a").await });
        upstream.reached(round + 1).await;
        post(other.address, "/v1/charges", &key, "a").await.problem(409, "in-flight", "unknown", "same-key");
        upstream.let_go();
        let first = first.await.expect("an answer");
        let replay = post(other.address, "/v1/charges", &key, "a").await;
        assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &first.body, true));
    }
    // The sweepers of both gateways have run by now and found nothing to end.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        assert_eq!(ahead.records("completed").await.len(), 2);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(upstream.executions(), 2);
}
