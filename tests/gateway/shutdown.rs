//! Stopping: the drain, the end of the drain, and a second signal.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request_bytes};

fn keyed(key: &str) -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], b"a")
}

#[tokio::test]
async fn running_executions_finish_and_no_new_one_starts() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    post(gateway.address, "/v1/charges", "k-0", "a").await;
    upstream.hold();
    let (address, admin) = (gateway.address, gateway.admin);
    let running = tokio::spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
    // The head of this request came before the signal, as its interim response shows. Its body comes after
    // the signal.
    let mut late = Connection::open(address).await;
    let headers = [("idempotency-key", "k-2"), ("expect", "100-continue")];
    let mut head = request_bytes("POST", "/v1/charges", &headers, b"a");
    let body = head.split_off(head.len() - 1);
    late.send(head).await;
    let mut interim = [0; 25];
    late.stream.read_exact(&mut interim).await.expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    upstream.reached(2).await;
    assert_eq!(gateway.admin_get("/readyz").await.status, 200);
    gateway.terminate().await;
    gateway.logs("draining").await;
    assert_eq!(gateway.admin_get("/readyz").await.status, 503);
    assert_eq!(gateway.admin_get("/healthz").await.status, 200);
    let none_listens = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(Duration::from_secs(30), none_listens).await.expect("new connections are refused");
    late.send(body).await;
    late.answer().await.problem(503, "shutting-down", "unknown", "same-key");
    upstream.let_go();
    assert_eq!(running.await.expect("running").status, 201);
    assert_eq!(gateway.ended().await, Some(0));
    assert!(TcpStream::connect(admin).await.is_err());
    assert_eq!(upstream.executions(), 2);
}

/// The execution needs neither its client nor any other connection.
#[tokio::test]
async fn running_executions_finish_without_a_connected_client() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let mut client = Connection::open(gateway.address).await;
    client.send(keyed("k-1")).await;
    upstream.reached(1).await;
    drop(client);
    gateway.terminate().await;
    gateway.logs("draining").await;
    // From now on no port is open, and no connection is left.
    let address = gateway.address;
    let none_listens = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(Duration::from_secs(30), none_listens).await.expect("new connections are refused");
    upstream.let_go();
    assert_eq!(gateway.ended().await, Some(0));
    let gateway = gateway.restart(&upstream, Settings::default()).await;
    let replay = post(gateway.address, "/v1/charges", "k-1", "a").await;
    assert_eq!((replay.status, replay.is_replay()), (201, true));
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn an_execution_that_outlasts_the_drain_is_unknown() {
    let upstream = Upstream::start().await;
    let mut gateway =
        Gateway::start(&upstream, Settings::default().server("drain_timeout = \"100ms\"")).await;
    upstream.hold();
    let address = gateway.address;
    let running = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.send(keyed("k-1")).await;
        connection.try_answer().await
    });
    upstream.reached(1).await;
    gateway.terminate().await;
    let told = running.await.expect("running").expect("the last thing the gateway says");
    told.problem(504, "outcome-unknown", "unknown", "never");
    assert_eq!(gateway.ended().await, Some(0));
    let gateway = gateway.restart(&upstream, Settings::default()).await;
    assert_eq!(gateway.record_in("unknown").await["reason"], "gateway shut down");
    post(gateway.address, "/v1/charges", "k-1", "a").await.problem(
        409,
        "outcome-unknown",
        "unknown",
        "never",
    );
    assert_eq!(upstream.executions(), 1);
}

/// Every client gets an answer: the client of the running attempt and the clients that waited for it.
#[tokio::test]
async fn waiters_of_an_execution_that_outlasts_the_drain_are_answered() {
    let upstream = Upstream::start().await;
    let mut gateway =
        Gateway::start(&upstream, Settings::default().server("drain_timeout = \"100ms\"")).await;
    upstream.hold();
    let mut attempts = JoinSet::new();
    for _ in 0..8 {
        let address = gateway.address;
        attempts.spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
    }
    gateway.duplicates(7).await;
    gateway.terminate().await;
    for told in attempts.join_all().await {
        told.problem(504, "outcome-unknown", "unknown", "never");
    }
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let address = gateway.address;
    tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.send(keyed("k-1")).await;
        connection.try_answer().await
    });
    upstream.reached(1).await;
    gateway.terminate().await;
    gateway.logs("draining").await;
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(1));
}

#[tokio::test]
async fn a_hang_up_ends_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    gateway.hang_up().await;
    gateway.logs("SIGHUP").await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
}
