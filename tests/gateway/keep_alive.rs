//! The time that a client connection is kept, and the time that a head may take on it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Connection, Gateway, Http2, Settings, Upstream, request_bytes};

/// A time far above the timeouts of these tests.
const SOON: Duration = Duration::from_secs(15);

fn keyed(key: &str) -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], b"a")
}

async fn gateway(lines: &str) -> (std::sync::Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let settings = Settings::default().server(&format!("header_read_timeout = \"500ms\"\n{lines}"));
    let gateway = Gateway::start(&upstream, settings).await;
    (upstream, gateway)
}

/// A load balancer keeps its connections for a minute, and sends a payment on one of them when it has one.
#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let (upstream, gateway) = gateway("http2 = true").await;
    let mut connection = Connection::open(gateway.address).await;
    connection.send(keyed("a")).await;
    assert_eq!(connection.answer().await.status, 201);
    let http2 = Http2::open(gateway.address).await;
    assert_eq!(http2.post("/v1/charges", "b", "a").await.status, 201);
    for round in 0..2 {
        sleep(Duration::from_millis(1_200)).await;
        connection.send(keyed(&format!("a-{round}"))).await;
        assert_eq!(connection.answer().await.status, 201);
        assert_eq!(http2.post("/v1/charges", &format!("b-{round}"), "a").await.status, 201);
    }
    assert_eq!(upstream.executions(), 6);
}

#[tokio::test]
async fn an_idle_connection_ends_when_its_time_is_over() {
    let (_upstream, gateway) = gateway("keep_alive_timeout = \"1s\"").await;
    let mut connection = Connection::open(gateway.address).await;
    connection.send(keyed("k")).await;
    assert_eq!(connection.answer().await.status, 201);
    let since = Instant::now();
    // An empty line is no request (RFC 9112, 2.2) and keeps nothing open.
    sleep(Duration::from_millis(500)).await;
    connection.send("\r\n").await;
    assert_eq!(timeout(SOON, connection.try_answer()).await.expect("in time"), None);
    let took = since.elapsed();
    assert!((900..3_000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn a_head_has_less_time_also_on_a_connection_that_was_kept() {
    let (_upstream, gateway) = gateway("").await;
    for first in [true, false] {
        let mut connection = Connection::open(gateway.address).await;
        if !first {
            connection.send(keyed("k")).await;
            assert_eq!(connection.answer().await.status, 201);
            sleep(Duration::from_millis(700)).await;
        }
        connection.send("POST /v1/charges HTTP/1.1\r\nhost:").await;
        assert_eq!(timeout(SOON, connection.try_answer()).await.expect("in time"), None);
    }
    // A client that sends no byte does not get the long time either.
    let mut silent = Connection::open(gateway.address).await;
    assert_eq!(timeout(SOON, silent.try_answer()).await.expect("in time"), None);
}

/// The timeout counts the time of a head, and not the time of the response.
#[tokio::test]
async fn an_answer_may_take_longer_than_a_head() {
    let (upstream, gateway) = gateway("http2 = true").await;
    upstream.hold();
    let http2 = Http2::open(gateway.address).await;
    let (empty, whole) = (http2.clone(), http2.clone());
    let empty = tokio::spawn(async move { empty.post("/v1/charges", "k-1", "").await.status });
    let whole = tokio::spawn(async move { whole.post("/v1/charges", "k-2", "a").await.status });
    let address = gateway.address;
    let http1 =
        tokio::spawn(async move { crate::harness::post(address, "/v1/charges", "k-3", "a").await.status });
    upstream.reached(3).await;
    sleep(Duration::from_millis(1_500)).await;
    upstream.let_go();
    for asked in [empty, whole, http1] {
        assert_eq!(asked.await.expect("an answer"), 201);
    }
}
