//! Executions with an unknown outcome, as logs and metrics show them to operators.

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request_bytes};

const SETTINGS: &str = "lease = \"300ms\"";

/// Kills a gateway while it runs this many operations. Returns the next gateway on the same data.
async fn killed_while_running(count: usize, upstream: &Upstream) -> Gateway {
    let settings = Settings::route(SETTINGS).upstream("response_timeout = \"10s\"");
    let mut gateway = Gateway::start(upstream, settings.clone()).await;
    upstream.hold();
    let mut clients = Vec::new();
    for number in 0..count {
        let mut client = Connection::open(gateway.address).await;
        let key = format!("k-{number}");
        client.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", &key)], b"a")).await;
        clients.push(client);
    }
    upstream.reached(count).await;
    gateway.kill().await;
    upstream.let_go();
    gateway.restart(upstream, settings).await
}

async fn counts(gateway: &Gateway, sample: &str) -> bool {
    gateway.admin_get("/metrics").await.text().contains(&format!("{sample}\n"))
}

/// Each execution is reported once, whether the sweep or an attempt finds it first.
#[tokio::test]
async fn each_execution_that_fell_silent_is_told_and_counted_once() {
    let upstream = Upstream::start().await;
    let gateway = killed_while_running(3, &upstream).await;
    // Attempts on one of the operations, sent as fast as possible.
    let mut attempts = JoinSet::new();
    for _ in 0..4 {
        let address = gateway.address;
        attempts.spawn(async move {
            while post(address, "/v1/charges", "k-0", "a").await.status == 409 {
                sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let until = Instant::now() + Duration::from_secs(20);
    while gateway.records("unknown").await.len() < 3 {
        assert!(Instant::now() < until, "they became unknown");
    }
    let sample = "oncegate_unknown_total{route=\"pay\",reason=\"lease-over\"} 3";
    while !counts(&gateway, sample).await {
        assert!(Instant::now() < until, "{}", gateway.admin_get("/metrics").await.text());
    }
    for record in gateway.records("unknown").await {
        let id = record["id"].as_str().expect("an id");
        gateway.logs(id).await;
        let log = gateway.log();
        let told: Vec<Value> = log
            .lines()
            .filter(|line| line.contains(id) && line.contains("WARN"))
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect();
        assert_eq!(told.len(), 1, "{log}");
        assert_eq!(
            (&told[0]["route"], &told[0]["reason"]),
            (&"pay".into(), &"lease over".into()),
            "{told:?}"
        );
    }
    attempts.abort_all();
    assert!(counts(&gateway, sample).await, "and no attempt that came later counts again");
}

#[tokio::test]
async fn the_age_of_the_oldest_unknown_is_shown() {
    let upstream = Upstream::start().await;
    let gateway = killed_while_running(1, &upstream).await;
    let record = gateway.record_in("unknown").await;
    let age = async || {
        let metrics = gateway.admin_get("/metrics").await;
        let named = "oncegate_oldest_unknown_seconds{route=\"pay\"} ";
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(named).map(str::to_owned));
        line.map(|age| age.parse::<u64>().expect("a number"))
    };
    let until = Instant::now() + Duration::from_secs(30);
    while age().await.is_none_or(|age| age == 0) {
        assert!(Instant::now() < until, "it grows");
        sleep(Duration::from_millis(100)).await;
    }
    let resolve = format!("/v1/records/{}/resolve", record["id"].as_str().expect("an id"));
    let resolution = serde_json::json!({ "executed": true, "note": "a test" });
    assert_eq!(gateway.admin_post(&resolve, &resolution).await.status, 200);
    while age().await != Some(0) {
        assert!(Instant::now() < until, "nothing is unknown any more");
        sleep(Duration::from_millis(100)).await;
    }
}
