//! Connections and requests that arrive while the gateway stops.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::tls::{Authority, connect};
use crate::harness::{Answer, Connection, Gateway, Http2, Settings, Upstream, post, request_bytes};

const SOON: Duration = Duration::from_secs(15);

fn keyed(key: &str) -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], b"a")
}

/// Opens connections that the system has made and the gateway has not accepted. Each of them carries a
/// request.
async fn waiting(to: SocketAddr, count: usize) -> Vec<Connection> {
    let mut all = Vec::new();
    for number in 0..count {
        let mut connection = Connection::open(to).await;
        connection.send(keyed(&format!("w-{number}"))).await;
        all.push(connection);
    }
    all
}

fn shuts_down(answer: &Answer) {
    answer.problem(503, "shutting-down", "unknown", "same-key");
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
}

#[tokio::test]
async fn connections_that_wait_to_be_accepted_are_answered() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default().server("max_connections = 2")).await;
    upstream.hold();
    let address = gateway.address;
    let mut running = JoinSet::new();
    for key in ["k-1", "k-2"] {
        running.spawn(async move { post(address, "/v1/charges", key, "a").await });
    }
    upstream.reached(2).await;
    // None of them gets a slot before the drain begins.
    let mut all = waiting(address, 100).await;
    gateway.terminate().await;
    gateway.logs("draining").await;
    upstream.let_go();
    for connection in &mut all {
        let told = timeout(SOON, connection.try_answer()).await.expect("in time");
        shuts_down(&told.expect("an answer, and no reset"));
    }
    for answer in running.join_all().await {
        assert_eq!(answer.status, 201);
    }
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(upstream.executions(), 2);
}

/// The gateway finds the signal, the connections and their requests at the same moment.
#[tokio::test]
async fn nothing_that_has_reached_the_machine_is_reset() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    // An idle connection that gets its next request just before the gateway sees the signal.
    let mut kept = Connection::open(gateway.address).await;
    kept.send(keyed("k-0")).await;
    assert_eq!(kept.answer().await.status, 201);
    gateway.freeze().await;
    let mut all = waiting(gateway.address, 100).await;
    kept.send(keyed("k-1")).await;
    gateway.terminate().await;
    gateway.thaw().await;
    all.push(kept);
    for connection in &mut all {
        let told = timeout(SOON, connection.try_answer()).await.expect("in time");
        let told = told.expect("an answer, and no reset");
        if told.status != 201 {
            shuts_down(&told);
        }
    }
    assert_eq!(gateway.ended().await, Some(0));
}

#[tokio::test]
async fn it_is_told_over_tls_and_over_http2_too() {
    let upstream = Upstream::start().await;
    let authority = Authority::new();
    for tls in [true, false] {
        let lines = match tls {
            true => format!("http2 = true\ntls = {{ {} }}", authority.certify("server").keys()),
            false => "http2 = true".into(),
        };
        let mut gateway = Gateway::start(&upstream, Settings::default().server(&lines)).await;
        gateway.freeze().await;
        let address = gateway.address;
        let asked = tokio::spawn({
            let connector = authority.client(None, &["h2"]);
            async move {
                match tls {
                    true => {
                        let stream = connect(&connector, address.port()).await.expect("a handshake");
                        Http2::over(stream).await.post("/v1/charges", "k", "a").await
                    }
                    false => Http2::open(address).await.post("/v1/charges", "k", "a").await,
                }
            }
        });
        // The system makes the connection, so this test can only learn of it from the system.
        let connected = async {
            let port = format!(":{:04X} ", address.port());
            while !std::fs::read_to_string("/proc/net/tcp").expect("sockets").lines().any(|line| {
                line.split_whitespace().nth(1).is_some_and(|local| format!("{local} ").ends_with(&port))
                    && line.split_whitespace().nth(3) == Some("01")
            }) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, connected).await.expect("it connects");
        gateway.terminate().await;
        gateway.thaw().await;
        let told = timeout(SOON, asked).await.expect("in time").expect("an answer");
        if told.status != 201 {
            told.problem(503, "shutting-down", "unknown", "same-key");
        }
        assert_eq!(gateway.ended().await, Some(0));
    }
}

#[tokio::test]
async fn a_delay_gives_balancers_time_to_turn_away() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default().server("shutdown_delay = \"2s\"")).await;
    assert_eq!(gateway.admin_get("/readyz").await.status, 200);
    gateway.terminate().await;
    gateway.logs("new requests are taken for another 2s").await;
    let ready = gateway.admin_get("/readyz").await;
    assert_eq!((ready.status, ready.header("cache-control")), (503, Some("no-store")));
    assert_eq!(gateway.admin_get("/healthz").await.status, 200);
    assert_eq!(post(gateway.address, "/v1/charges", "k", "a").await.status, 201);
    assert!(!gateway.log().contains("draining for"), "it still takes what comes");
    gateway.logs("draining for").await;
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn a_second_signal_ends_the_delay_and_all_else() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default().server("shutdown_delay = \"1h\"")).await;
    gateway.terminate().await;
    gateway.logs("new requests are taken").await;
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(1));
}

/// A client that connects and sends nothing does not keep a gateway from ending.
#[tokio::test]
async fn the_drain_waits_for_no_silent_client() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(Connection::open(gateway.address).await);
    }
    gateway.terminate().await;
    assert_eq!(timeout(SOON, gateway.ended()).await.expect("long before the drain is over"), Some(0));
    assert!(!gateway.log().contains("the drain timeout is over"));
}
