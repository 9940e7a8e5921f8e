//! The time that the gateway adds to a payment, as its metrics tell it.

use std::time::Duration;

use tokio::time::sleep;

use crate::following::with_a_duplicate;
use crate::harness::{Connection, Gateway, Settings, Upstream, post, request_bytes};

/// Time for which the client, and then the upstream, keep the payment waiting.
const PAUSE: Duration = Duration::from_millis(250);

/// Returns the value of a sample.
async fn value(gateway: &Gateway, sample: &str) -> f64 {
    let metrics = gateway.admin_get("/metrics").await;
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {metrics:?}")).parse().expect("a number")
}

#[tokio::test]
async fn neither_a_slow_client_nor_a_slow_upstream_counts_as_added() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let mut client = Connection::open(gateway.address).await;
    let headers = [("idempotency-key", "k"), ("expect", "100-continue")];
    let request = request_bytes("POST", "/v1/charges", &headers, b"{\"amount\":1}");
    let (head, body) = request.split_at(request.len() - 12);
    client.send(head).await;
    // The gateway reads the body from here on.
    assert_eq!(client.head().await.status, 100);
    sleep(PAUSE).await;
    client.send(body).await;
    upstream.reached(1).await;
    sleep(PAUSE).await;
    upstream.let_go();
    assert_eq!(client.answer().await.status, 201);
    let took =
        value(&gateway, "oncegate_request_duration_seconds_sum{route=\"pay\",outcome=\"completed\"}").await;
    let added = value(&gateway, "oncegate_added_duration_seconds_sum{route=\"pay\"}").await;
    // Both pauses lie within the parts that do not count, however slow the machine is.
    assert!(took - added > 1.99 * PAUSE.as_secs_f64(), "{took} and {added}");
    assert!(added > 0.0, "{added}");
}

#[tokio::test]
async fn only_a_request_that_ran_an_execution_counts() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for answer in with_a_duplicate(&upstream, &gateway).await {
        assert_eq!(answer.status, 201);
    }
    assert!(post(gateway.address, "/v1/charges", "k", "a").await.is_replay());
    assert_eq!(post(gateway.address, "/v1/charges", "k", "other").await.status, 422);
    assert_eq!(value(&gateway, "oncegate_added_duration_seconds_count{route=\"pay\"}").await, 1.0);
}
