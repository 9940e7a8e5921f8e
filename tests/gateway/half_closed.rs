//! Clients that end their side of the connection after the request, as `nc` and old libraries do.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::harness::tls::{Authority, connect};
use crate::harness::{Connection, Gateway, Settings, Upstream, post, request, request_bytes};

const SOON: Duration = Duration::from_secs(15);

fn keyed(key: &str) -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], b"a")
}

async fn gateway(lines: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let settings = Settings::default().server(lines).more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, settings).await;
    (upstream, gateway)
}

#[tokio::test]
async fn a_client_that_only_listens_gets_its_answer() {
    let (upstream, gateway) = gateway("").await;
    let chunked = "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: k-2\r\n\
                   transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    for (number, bytes) in [
        keyed("k-1"),
        chunked.into(),
        b"GET /elsewhere HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"POST /elsewhere HTTP/1.0\r\ncontent-length: 1\r\n\r\na".to_vec(),
    ]
    .into_iter()
    .enumerate()
    {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(&bytes).await;
        connection.stream.shutdown().await.expect("half-close");
        let answer = timeout(SOON, connection.try_answer()).await.expect("in time");
        assert_eq!(answer.map(|answer| answer.status), Some(201), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(timeout(SOON, connection.try_answer()).await.expect("it ends"), None);
        assert_eq!(upstream.executions(), number + 1);
    }
    let mut admin = Connection::open(gateway.admin).await;
    admin.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    admin.stream.shutdown().await.expect("half-close");
    assert_eq!(admin.answer().await.status, 200);
}

/// The client may also end its side long after its request, while the upstream is at work.
#[tokio::test]
async fn it_does_not_matter_when_the_client_ends_its_side() {
    let (upstream, gateway) = gateway("").await;
    for (key, wait) in [("k-1", 0), ("k-2", 300)] {
        upstream.hold();
        let mut connection = Connection::open(gateway.address).await;
        connection.send(keyed(key)).await;
        timeout(SOON, upstream.reached(upstream.executions() + 1)).await.expect("it is sent on");
        sleep(Duration::from_millis(wait)).await;
        connection.stream.shutdown().await.expect("half-close");
        // A duplicate that comes after the end was seen finds the execution running.
        let address = gateway.address;
        let waiting = tokio::spawn(async move { post(address, "/v1/charges", key, "a").await });
        gateway.duplicates(if wait == 0 { 1 } else { 2 }).await;
        upstream.let_go();
        assert_eq!(timeout(SOON, connection.answer()).await.expect("in time").status, 201);
        assert!(waiting.await.expect("no panic").is_replay());
    }
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test]
async fn a_request_that_was_sent_ahead_is_answered_too() {
    let (upstream, gateway) = gateway("").await;
    let mut connection = Connection::open(gateway.address).await;
    connection.send([keyed("k-1"), keyed("k-2"), keyed("k-1")].concat()).await;
    connection.stream.shutdown().await.expect("half-close");
    for replay in [false, false, true] {
        let answer = timeout(SOON, connection.answer()).await.expect("in time");
        assert_eq!((answer.status, answer.is_replay()), (201, replay));
    }
    assert_eq!(connection.try_answer().await, None);
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test]
async fn the_end_of_one_side_of_tls_is_no_end_either() {
    let authority = Authority::new();
    let (upstream, gateway) = gateway(&format!("tls = {{ {} }}", authority.certify("server").keys())).await;
    upstream.hold();
    let connector = authority.client(None, &[]);
    let stream = connect(&connector, gateway.address.port()).await.expect("a handshake");
    let mut connection = Connection::over(stream);
    connection.send(keyed("k")).await;
    // The client sends close_notify and then ends the TCP stream.
    connection.stream.shutdown().await.expect("half-close");
    timeout(SOON, upstream.reached(1)).await.expect("it is sent on");
    upstream.let_go();
    assert_eq!(timeout(SOON, connection.answer()).await.expect("in time").status, 201);
    // The client ends the stream without close_notify.
    let mut stream = connect(&connector, gateway.address.port()).await.expect("a handshake");
    stream.write_all(&keyed("k")).await.expect("it reads");
    stream.flush().await.expect("it reads");
    stream.get_mut().0.shutdown().await.expect("half-close");
    assert!(timeout(SOON, Connection::over(stream).answer()).await.expect("in time").is_replay());
}

#[tokio::test]
async fn a_client_that_vanishes_behind_a_half_close_holds_no_slot() {
    let (upstream, gateway) = gateway("max_connections = 1").await;
    for (key, hard) in [("k-1", false), ("k-2", true)] {
        upstream.hold();
        let mut connection = Connection::open(gateway.address).await;
        connection.send(keyed(key)).await;
        connection.stream.shutdown().await.expect("half-close");
        timeout(SOON, upstream.reached(upstream.executions() + 1)).await.expect("it is sent on");
        if hard {
            // Closing the socket resets the connection.
            connection.stream.set_zero_linger().expect("an option");
        }
        drop(connection);
        let address = gateway.address;
        let next = tokio::spawn(async move { request(address, "GET", "/elsewhere", &[], "").await });
        upstream.let_go();
        assert_eq!(timeout(SOON, next).await.expect("there is a place").expect("no panic").status, 201);
        assert!(post(gateway.address, "/v1/charges", key, "a").await.is_replay(), "it ran to its end");
    }
}

/// The gateway does not wait for a client that resets the connection.
#[tokio::test]
async fn a_reset_is_noticed_while_the_upstream_is_at_work() {
    let (upstream, gateway) = gateway("max_connections = 1").await;
    upstream.hold();
    let mut connection = Connection::open(gateway.address).await;
    connection.send(keyed("k")).await;
    timeout(SOON, upstream.reached(1)).await.expect("it is sent on");
    connection.stream.set_zero_linger().expect("an option");
    drop(connection);
    // The only slot is free again, although the response has not come.
    let address = gateway.address;
    let next = tokio::spawn(async move { post(address, "/v1/charges", "k", "a").await });
    gateway.duplicates(1).await;
    upstream.let_go();
    assert!(next.await.expect("no panic").is_replay());
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn a_half_close_within_a_request_is_no_request() {
    let (upstream, gateway) = gateway("").await;
    let whole = keyed("k");
    for cut in [10, whole.len() - 3, whole.len() - 1] {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(&whole[..cut]).await;
        connection.stream.shutdown().await.expect("half-close");
        let told = timeout(SOON, connection.try_answer()).await.expect("in time");
        assert!(told.is_none_or(|told| told.status == 400), "an early end is no request");
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (0, 0));
}
