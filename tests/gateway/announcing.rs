//! The time between the announcement of a stop and the drain: each request is served, and connections end
//! with their requests, so that clients go elsewhere before anything is refused.

use crate::harness::{Connection, Gateway, Http2, Settings, Upstream, post, request_bytes};

const TARGET: &str = "http://api.example/v1/charges";

fn keyed(key: &str) -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], b"a")
}

/// Starts a gateway whose announcement only a second signal ends.
async fn start(upstream: &Upstream) -> Gateway {
    let lines = "shutdown_delay = \"1h\"\nhttp2 = true\nkeep_alive_timeout = \"1h\"";
    Gateway::start(upstream, Settings::default().server(lines)).await
}

async fn announce(gateway: &Gateway) {
    gateway.terminate().await;
    gateway.logs("new requests are taken").await;
    assert_eq!(gateway.admin_get("/readyz").await.status, 503);
}

async fn serves_and_ends(connection: &mut Connection, key: &str) {
    connection.send(keyed(key)).await;
    ends(connection).await;
}

/// Reads an answer that is the last one of its connection.
async fn ends(connection: &mut Connection) {
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (201, Some("close")), "{answer:?}");
    assert_eq!(connection.try_answer().await, None);
}

/// Sends operations on a connection until the gateway takes no more on it. Returns the number of answers.
async fn serves_until_told(client: &Http2, name: &str) -> usize {
    for number in 0..1000 {
        let key = format!("{name}-{number}");
        let Ok((answer, _)) = client.send("POST", TARGET, &[("idempotency-key", &key)], true).await else {
            return number;
        };
        let answer = crate::harness::read(answer).await.expect("what is taken is answered");
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    panic!("{name}: it was never told to go")
}

#[tokio::test]
async fn each_answer_over_http1_ends_its_connection() {
    let upstream = Upstream::start().await;
    let mut gateway = start(&upstream).await;
    let (mut kept, mut running) =
        (Connection::open(gateway.address).await, Connection::open(gateway.address).await);
    kept.send(keyed("k-0")).await;
    let before = kept.answer().await;
    assert_eq!((before.status, before.header("connection")), (201, None));
    let mut unused = Connection::open(gateway.address).await;
    upstream.hold();
    running.send(keyed("k-1")).await;
    upstream.reached(2).await;
    announce(&gateway).await;
    upstream.let_go();
    ends(&mut running).await;
    serves_and_ends(&mut kept, "k-2").await;
    serves_and_ends(&mut unused, "k-3").await;
    serves_and_ends(&mut Connection::open(gateway.address).await, "k-4").await;
    assert!(post(gateway.address, "/v1/charges", "k-0", "a").await.is_replay());
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(1), "the second signal ends it");
    assert_eq!(upstream.executions(), 5);
}

#[tokio::test]
async fn clients_of_http2_are_told_to_go_and_lose_no_request() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    let (used, unused) = (Http2::open(gateway.address).await, Http2::open(gateway.address).await);
    assert_eq!(used.post("/v1/charges", "k", "a").await.status, 201);
    upstream.hold();
    let (running, _) = {
        let headers = [("idempotency-key", "running")];
        used.send("POST", TARGET, &headers, true).await.expect("an open connection")
    };
    upstream.reached(2).await;
    announce(&gateway).await;
    upstream.let_go();
    let answer = crate::harness::read(running).await.expect("an answer");
    assert_eq!(answer.status, 201);
    let mut served = serves_until_told(&used, "used").await;
    // A client that is told before its first request would come back with nothing done.
    for client in [unused, Http2::open(gateway.address).await] {
        let number = serves_until_told(&client, &format!("after-{served}")).await;
        assert!(number > 0);
        served += number;
    }
    assert_eq!(upstream.executions(), 2 + served);
}
