//! Clients that send slowly over HTTP/2. Slow HTTP/1 clients are in `tests/gateway/problems.rs`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use crate::frames::{END_HEADERS, END_STREAM, End, Frames, post};
use crate::harness::{Gateway, Http2, Settings, Upstream, read};

/// A time far above the timeouts that these tests set, and below the others: pings give up after 30 s.
const SOON: Duration = Duration::from_secs(15);

async fn gateway(server: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let settings = Settings::default().server(&format!("http2 = true\n{server}"));
    let gateway = Gateway::start(&upstream, settings).await;
    (upstream, gateway)
}

async fn left_no_trace(upstream: &Upstream, gateway: &Gateway) {
    assert_eq!((upstream.executions(), gateway.record_count().await), (0, 0));
}

#[tokio::test]
async fn a_body_that_dawdles_claims_nothing() {
    let (upstream, gateway) = gateway("body_read_timeout = \"300ms\"").await;
    let client = Http2::open(gateway.address).await;
    let headers = [("idempotency-key", "k"), ("content-length", "10")];
    let (answer, mut stream) = client.begin("POST", "http://a/v1/charges", &headers).await;
    stream.send_data(Bytes::from_static(b"abc"), false).expect("the stream is open");
    let told = timeout(SOON, read(answer)).await.expect("in time").expect("an answer");
    told.problem(408, "about:blank", "unknown", "same-key");
    left_no_trace(&upstream, &gateway).await;
    // The other streams of this connection are not affected.
    assert_eq!(client.post("/v1/charges", "k", "{}").await.status, 201);
}

/// Opens a connection on which a first request waits for its response, so that it is not idle.
async fn asking(upstream: &Upstream, gateway: &Gateway) -> Frames {
    upstream.hold();
    let mut frames = Frames::open(gateway.address).await;
    assert!(frames.send(&post(1, END_HEADERS | END_STREAM, &[])).await);
    upstream.reached(1).await;
    frames
}

/// No frame may come between the frames of a head, so the client could not answer a ping either.
#[tokio::test]
async fn a_head_that_is_not_continued_ends_the_connection() {
    let (upstream, gateway) = gateway("header_read_timeout = \"300ms\"").await;
    let mut silent = asking(&upstream, &gateway).await;
    assert!(silent.send(&post(3, 0, &[])).await);
    timeout(SOON, silent.closed()).await.expect("in time");
    assert_eq!((upstream.executions(), gateway.record_count().await), (1, 1));
}

/// The timeout counts the whole head. Single bytes do not extend it.
#[tokio::test]
async fn a_head_that_trickles_ends_the_connection() {
    let (upstream, gateway) = gateway("header_read_timeout = \"300ms\"").await;
    let mut trickling = asking(&upstream, &gateway).await;
    let long = ["x"; 126].concat();
    let head = post(3, END_HEADERS, &[("x-1", &long), ("x-2", &long), ("x-3", &long)]);
    let trickle = async {
        for byte in head {
            if !trickling.send(&[byte]).await {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, trickle).await.expect("it would take 20 s to send it all");
    assert_eq!((upstream.executions(), gateway.record_count().await), (1, 1));
}

/// The client answers no ping either, so the library never learns that the client received the GOAWAY frame.
#[tokio::test]
async fn a_client_that_is_told_to_leave_and_stays_is_disconnected() {
    let (_upstream, gateway) = gateway("header_read_timeout = \"300ms\"").await;
    let mut staying = Frames::open(gateway.address).await;
    assert_eq!(staying.end().await, End::Connection(Some(0)));
    timeout(SOON, staying.closed()).await.expect("in time");
}
