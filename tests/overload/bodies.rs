//! One abusive client with bodies that never end, and the other clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::harness::{Connection, Gateway, Http2, Settings, Upstream};
use crate::peers::{HONEST, STRANGER, connect, pay_with};

/// A time far below `body_read_timeout`, which has its default here.
const SOON: Duration = Duration::from_secs(15);

async fn gateway(server: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().server(server)).await;
    (upstream, gateway)
}

/// Sends payments of the honest caller, small and large, each twice.
async fn payments_run(gateway: &Gateway, name: &str, size: usize) {
    for number in 0..5 {
        let (key, body) = (format!("{name}-{number}"), vec![b'a'; size]);
        for is_replay in [false, true] {
            let answer =
                timeout(SOON, pay_with(HONEST, gateway.address, &key, &body)).await.expect("in time");
            assert_eq!((answer.status, answer.is_replay()), (201, is_replay), "{}", answer.text());
        }
    }
}

/// Begins a request with a body of `declared` bytes, and sends `sent` bytes of it.
async fn begin(gateway: &Gateway, key: &str, declared: usize, sent: usize) -> Connection {
    let mut connection = connect(STRANGER, gateway.address).await;
    let head = format!(
        "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: {key}\r\ncontent-length: {declared}\r\n\r\n"
    );
    connection.send([head.as_bytes(), &vec![b'b'; sent]].concat()).await;
    connection
}

#[tokio::test]
async fn lengths_that_are_only_declared_take_no_room() {
    let (upstream, gateway) = gateway("").await;
    let mut held = Vec::new();
    for number in 0..1024 {
        held.push(begin(&gateway, &format!("s-{number}"), 1 << 20, 0).await);
    }
    payments_run(&gateway, "small", 1).await;
    payments_run(&gateway, "large", 1 << 20).await;
    assert_eq!(upstream.executions(), 10);
}

#[tokio::test]
async fn lengths_of_streams_take_no_room_either() {
    let (upstream, gateway) = gateway("http2 = true").await;
    let mut held = Vec::new();
    for number in 0..9 {
        let client = Http2::open(gateway.address).await;
        for stream in 0..120 {
            let key = format!("s-{number}-{stream}");
            let headers = [("idempotency-key", &*key), ("content-length", "1048576")];
            held.push(client.begin("POST", "http://a/v1/charges", &headers).await);
        }
        payments_run(&gateway, &format!("small-{number}"), 1).await;
    }
    payments_run(&gateway, "large", 1 << 20).await;
    assert_eq!(upstream.executions(), 50);
}

/// There is room for four bodies. Eight bodies arrive, each without its last byte.
#[tokio::test]
async fn bodies_that_are_still_coming_give_way() {
    let limits = "max_in_flight = 4\nrequest_body_limit = \"256KiB\"";
    let (upstream, gateway) = gateway(limits).await;
    let mut held = Vec::new();
    for number in 0..8 {
        held.push(begin(&gateway, &format!("s-{number}"), 256 << 10, (256 << 10) - 1).await);
    }
    payments_run(&gateway, "small", 1).await;
    payments_run(&gateway, "large", 200 << 10).await;
    assert_eq!(upstream.executions(), 10);
    let mut shed = 0;
    for mut connection in held {
        drop(connection.stream.try_write(b"b"));
        match connection.try_answer().await {
            Some(answer) if answer.status == 201 => {}
            Some(answer) => {
                answer.problem(503, "overloaded", "unknown", "same-key");
                shed += 1;
            }
            None => shed += 1,
        }
    }
    assert!((4..8).contains(&shed), "{shed} were shed, more than had to");
}
