//! One stranger with as many connections as there may be, whatever they do, and everybody else.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Connection, Gateway, Settings, Upstream, request_bytes};
use crate::peers::{HONEST, STRANGER, connect, dial, pay};

/// Far below any timeout of the gateway that would end one of the stranger's connections.
const SOON: Duration = Duration::from_secs(9);
/// How many connections may be open.
const PLACES: usize = 40;

async fn gateway(upstream: &Upstream, more: Settings) -> Gateway {
    let server = format!(
        "max_connections = {PLACES}\nheader_read_timeout = \"60s\"\nbody_read_timeout = \"60s\"\n{}",
        more.server
    );
    Gateway::start(upstream, more.server(&server)).await
}

/// Payments of the honest caller on new connections, some of them at once.
async fn payments_run(gateway: &Gateway) {
    for number in 0..5 {
        for is_replay in [false, true] {
            let answer = timeout(SOON, pay(HONEST, gateway.address, &format!("k-{number}"))).await;
            let answer = answer.expect("the stranger is asked to make room");
            assert_eq!((answer.status, answer.is_replay()), (201, is_replay));
        }
    }
    let mut kept = Vec::new();
    for _ in 0..PLACES / 4 {
        let mut connection = connect(HONEST, gateway.address).await;
        connection.send(request_bytes("GET", "/nowhere", &[], b"")).await;
        assert_eq!(timeout(SOON, connection.answer()).await.expect("in time").status, 404);
        kept.push(connection);
    }
}

/// As many connections of the stranger as there are places, and more that wait, each having sent this.
async fn flood(gateway: &Gateway, bytes: impl Fn(usize) -> Vec<u8>) -> Vec<Connection> {
    let mut held = Vec::new();
    for number in 0..2 * PLACES {
        let mut connection = connect(STRANGER, gateway.address).await;
        connection.send(bytes(number)).await;
        held.push(connection);
    }
    held
}

#[tokio::test]
async fn connections_that_say_nothing_make_room() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let _held = flood(&gateway, |_| Vec::new()).await;
    payments_run(&gateway).await;
}

#[tokio::test]
async fn heads_that_do_not_end_make_room() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let _held = flood(&gateway, |_| b"POST /v1/charges HTTP/1.1\r\nx: ".to_vec()).await;
    payments_run(&gateway).await;
}

#[tokio::test]
async fn prefaces_that_do_not_end_make_room() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, Settings::default().server("http2 = true")).await;
    let _held = flood(&gateway, |_| b"PRI * HTTP/2.0\r\n".to_vec()).await;
    payments_run(&gateway).await;
}

#[tokio::test]
async fn http2_connections_without_requests_make_room() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, Settings::default().server("http2 = true")).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let _held = flood(&gateway, |_| preface.clone()).await;
    payments_run(&gateway).await;
}

#[tokio::test]
async fn bodies_that_do_not_end_make_room() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let _held = flood(&gateway, |number| {
        let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nidempotency-key";
        format!("{head}: s-{number}\r\n\r\nabc").into_bytes()
    })
    .await;
    payments_run(&gateway).await;
}

/// All but one wait for that one, which does not end.
#[tokio::test]
async fn duplicates_that_wait_make_room() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, Settings::route("wait_timeout = \"60s\"")).await;
    let slow = request_bytes("POST", "/v1/slow", &[("idempotency-key", "s")], b"");
    let held = flood(&gateway, |_| slow.clone()).await;
    gateway.duplicates(PLACES - 1).await;
    payments_run(&gateway).await;
    upstream.let_go();
    let mut told = 0;
    for mut connection in held {
        told += usize::from(connection.try_answer().await.is_some_and(|answer| answer.status == 201));
    }
    assert!(told >= PLACES / 2, "only as many made room as were asked to: {told}");
}

/// An answer that nobody reads is cut off; none is that somebody reads.
#[tokio::test]
async fn answers_that_are_not_read_make_room() {
    const ANSWER: usize = 6 << 20;
    let upstream = Upstream::answering(|seen| {
        let (status, size) = if seen.path == "/v1/large" { (200, ANSWER) } else { (201, 1) };
        http::Response::builder().status(status).body(vec![b'x'; size].into()).expect("a response")
    })
    .await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let large = request_bytes("POST", "/v1/large", &[], b"");
    let _held = flood(&gateway, |_| large.clone()).await;
    payments_run(&gateway).await;
}

/// What is closed is what the stranger has, and never what a request is at.
#[tokio::test]
async fn what_is_executed_is_answered_to_the_end() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let held = flood(&gateway, |number| {
        let key = format!("s-{number}");
        request_bytes("POST", "/v1/slow", &[("idempotency-key", &key)], b"")
    })
    .await;
    upstream.reached(PLACES).await;
    let waiting = tokio::spawn(pay(HONEST, gateway.address, "k"));
    gateway.admin_get("/readyz").await;
    upstream.let_go();
    assert_eq!(timeout(SOON, waiting).await.expect("in time").expect("no panic").status, 201);
    for mut connection in held {
        assert_eq!(connection.answer().await.status, 201);
    }
    assert_eq!(upstream.executions(), 2 * PLACES + 1);
}

/// Nobody else is there, so the last one waits as long as the others like.
#[tokio::test]
async fn a_party_that_is_alone_loses_nothing() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let mut held = Vec::new();
    for _ in 0..PLACES {
        let mut connection = connect(STRANGER, gateway.address).await;
        connection.send(request_bytes("GET", "/nowhere", &[], b"")).await;
        assert_eq!(connection.answer().await.status, 404);
        held.push(connection);
    }
    let mut more: TcpStream = dial(STRANGER, gateway.address).await.expect("it waits");
    let waiting = tokio::spawn(async move { more.read_u8().await });
    for connection in &mut held {
        connection.send(request_bytes("GET", "/nowhere", &[], b"")).await;
        assert_eq!(connection.answer().await.status, 404);
    }
    assert!(!waiting.is_finished());
}

/// Answers at once, but for `/v1/slow`.
async fn holding() -> Arc<Upstream> {
    let upstream = Upstream::start().await;
    upstream.hold_at("/v1/slow");
    upstream
}
