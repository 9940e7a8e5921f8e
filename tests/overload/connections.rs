//! One abusive client that uses every possible connection in different ways, and the other clients.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::tls::Authority;
use crate::harness::{Connection, Gateway, Settings, Upstream, request_bytes};
use crate::peers::{HONEST, STRANGER, connect, dial, pay};

/// A time far below each timeout of the gateway that would end one of the abusive client's connections.
const SOON: Duration = Duration::from_secs(9);
/// The number of connections that may be open.
const PLACES: usize = 40;

async fn gateway(upstream: &Upstream, more: Settings) -> Gateway {
    let server = format!(
        "max_connections = {PLACES}\nheader_read_timeout = \"60s\"\nbody_read_timeout = \"60s\"\n{}",
        more.server
    );
    Gateway::start(upstream, more.server(&server)).await
}

/// Sends payments of the honest caller on new connections, one after the other.
async fn payments_run_alone(gateway: &Gateway) {
    for number in 0..5 {
        for is_replay in [false, true] {
            let answer = timeout(SOON, pay(HONEST, gateway.address, &format!("k-{number}"))).await;
            let answer = answer.expect("the stranger is asked to make room");
            assert_eq!((answer.status, answer.is_replay()), (201, is_replay));
        }
    }
}

/// Sends payments of the honest caller, and then opens a quarter of all connections at once.
async fn payments_run(gateway: &Gateway) {
    payments_run_alone(gateway).await;
    let mut kept = Vec::new();
    for _ in 0..PLACES / 4 {
        let mut connection = connect(HONEST, gateway.address).await;
        connection.send(request_bytes("GET", "/nowhere", &[], b"")).await;
        assert_eq!(timeout(SOON, connection.answer()).await.expect("in time").status, 404);
        kept.push(connection);
    }
}

/// Opens twice as many connections of the abusive client as there are slots. Each of them has sent these
/// bytes.
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

/// Every connection except the first waits for the first, which does not end.
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

/// An unread response is cut off, and a response that is being read never is.
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

/// The gateway closes connections of the abusive client, and never one in the middle of a request.
#[tokio::test]
async fn an_execution_is_answered_to_the_end() {
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

/// An execution with a key continues without its connection, and a retry gets its outcome.
#[tokio::test]
async fn payments_that_do_not_end_make_room() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let slow = |number: usize| {
        let key = format!("s-{number}");
        request_bytes("POST", "/v1/slow", &[("idempotency-key", &key)], b"")
    };
    let held = flood(&gateway, slow).await;
    upstream.reached(PLACES).await;
    payments_run(&gateway).await;
    upstream.let_go();
    drop(held);
    let mut again = connect(STRANGER, gateway.address).await;
    again.send(slow(0)).await;
    assert_eq!(again.answer().await.status, 201);
    let seen = upstream.seen();
    let keys: Vec<_> = seen.iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
    let mut once = keys.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(keys.len(), once.len(), "nothing ran twice");
}

/// A request without a key is cut off last, and only as many are cut off as the other clients need.
#[tokio::test]
async fn requests_without_a_key_make_room() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, Settings::default()).await;
    let held = flood(&gateway, |_| request_bytes("POST", "/v1/slow", &[], b"")).await;
    upstream.reached(PLACES).await;
    payments_run_alone(&gateway).await;
    upstream.let_go();
    let mut told = 0;
    for mut connection in held {
        told += usize::from(connection.try_answer().await.is_some_and(|answer| answer.status == 201));
    }
    assert!(told >= PLACES * 3 / 4, "{told}");
}

/// Over HTTP/2, a client can refuse every byte of its response and still answer every ping.
#[tokio::test]
async fn windows_that_stay_closed_make_room() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, Settings::default().server("http2 = true")).await;
    let mut held = Vec::new();
    for number in 0..PLACES {
        let stream = dial(STRANGER, gateway.address).await.expect("it is accepted");
        let mut builder = h2::client::Builder::new();
        let (sender, connection) = builder
            .initial_window_size(0)
            .handshake::<_, bytes::Bytes>(stream)
            .await
            .expect("HTTP/2 is spoken");
        tokio::spawn(connection);
        let request =
            http::Request::post("http://a/v1/charges").header("idempotency-key", format!("s-{number}"));
        let mut sender = sender.ready().await.expect("a connection");
        let (answer, _) = sender.send_request(request.body(()).expect("a request"), true).expect("a stream");
        held.push((answer.await.expect("a head"), sender));
    }
    payments_run(&gateway).await;
}

#[tokio::test]
async fn tls_handshakes_that_do_not_end_make_room() {
    let upstream = Upstream::start().await;
    let authority = Authority::new();
    let (files, connector) = (authority.certify("gateway"), authority.client(None, &[]));
    let lines = format!("tls = {{ {} }}", files.keys());
    let gateway = gateway(&upstream, Settings::default().server(&lines)).await;
    let _held = flood(&gateway, |_| vec![22, 3, 1]).await;
    for number in 0..5 {
        let stream = dial(HONEST, gateway.address).await.expect("it is accepted");
        let name = ServerName::try_from("localhost").expect("a name");
        let shaken = timeout(SOON, connector.connect(name, stream)).await.expect("the stranger makes room");
        let mut connection = Connection::over(shaken.expect("a handshake"));
        let key = format!("k-{number}");
        connection.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", &key)], b"")).await;
        assert_eq!(connection.answer().await.status, 201);
    }
}

/// There is no other party, so the last connection waits as long as the others stay open.
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

/// Starts an upstream that answers at once, except for `/v1/slow`.
async fn holding() -> Arc<Upstream> {
    let upstream = Upstream::start().await;
    upstream.hold_at("/v1/slow");
    upstream
}
