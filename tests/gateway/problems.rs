//! Every problem of the contract, caused over a socket.

use http::Response;
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, post, request, request_bytes};

/// Checks that nothing was sent and that no record exists.
async fn left_no_trace(gateway: &Gateway, upstream: &Upstream) {
    assert_eq!(upstream.executions(), 0);
    assert_eq!(gateway.record_count().await, 0);
}

async fn raw(gateway: &Gateway, bytes: impl AsRef<[u8]>) -> Answer {
    let mut connection = Connection::open(gateway.address).await;
    connection.send(bytes).await;
    connection.answer().await
}

/// Closing the connection with an unread body would destroy the answer.
#[tokio::test]
async fn who_is_refused_for_a_large_request_can_read_why_and_goes_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("key = { required = true }")).await;
    let mut connection = Connection::open(gateway.address).await;
    let body = vec![b'a'; 900 << 10];
    let twice = [("idempotency-key", "k"), ("idempotency-key", "k")];
    for (path, headers, status) in
        [("/v1/charges", &[][..], 400), ("/v1/charges", &twice, 400), ("/elsewhere", &[], 404)]
    {
        connection.send(request_bytes("POST", path, headers, &body)).await;
        assert_eq!(connection.answer().await.status, status);
    }
    connection.send(request_bytes("POST", "/v1/charges", &twice[..1], b"a")).await;
    assert_eq!(connection.answer().await.status, 201);
}

#[tokio::test]
async fn a_connection_on_which_nothing_more_is_asked_ends() {
    let upstream = Upstream::start().await;
    let settings = Settings::default().server("keep_alive_timeout = \"100ms\"");
    let gateway = Gateway::start(&upstream, settings).await;
    let mut connection = Connection::open(gateway.address).await;
    connection.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", "k")], b"a")).await;
    assert_eq!(connection.answer().await.status, 201);
    assert_eq!(connection.try_answer().await, None);
}

#[tokio::test]
async fn key_missing() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("key = { required = true }")).await;
    let told = request(gateway.address, "POST", "/v1/charges", &[], "a").await;
    assert!(told.problem(400, "key-missing", "no", "new-key").get("record").is_none());
    left_no_trace(&gateway, &upstream).await;
}

#[tokio::test]
async fn key_invalid() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let long = "k".repeat(256);
    for lines in [
        "idempotency-key: ".into(),
        "idempotency-key: a,b".into(),
        "idempotency-key: a b".into(),
        "idempotency-key: \"a\", \"b\"".into(),
        "idempotency-key: \"a\";p=1".into(),
        "idempotency-key: \"a".into(),
        "idempotency-key: \"\"".into(),
        "idempotency-key: k\u{e9}y".into(),
        "idempotency-key: a\r\nIdempotency-Key: a".into(),
        "idempotency-key: a\r\nconnection: Idempotency-Key".into(),
        format!("idempotency-key: {long}"),
        format!("idempotency-key: \"{long}\""),
    ] {
        let bytes = format!("POST /v1/charges HTTP/1.1\r\nhost: a\r\n{lines}\r\ncontent-length: 1\r\n\r\na");
        let told = raw(&gateway, &bytes).await;
        assert_eq!(told.status, 400, "{lines}");
        assert!(told.problem(400, "key-invalid", "no", "new-key").get("record").is_none());
    }
    left_no_trace(&gateway, &upstream).await;
}

#[tokio::test]
async fn payload_mismatch() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let first = [("idempotency-key", "k-1"), ("content-type", "text/plain")];
    request(gateway.address, "POST", "/v1/charges", &first, "a").await;
    let others: [(&str, &str, &str, &str); 4] = [
        ("POST", "/v1/charges", "text/plain", "b"),
        ("PATCH", "/v1/charges", "text/plain", "a"),
        ("POST", "/v1/charges?a", "text/plain", "a"),
        ("POST", "/v1/charges", "text/html", "a"),
    ];
    for (method, path, kind, body) in others {
        let headers = [("idempotency-key", "k-1"), ("content-type", kind)];
        let told = request(gateway.address, method, path, &headers, body).await;
        let members = told.problem(422, "payload-mismatch", "no", "new-key");
        assert_eq!(members["record"].as_str().map(str::len), Some(40));
    }
    assert_eq!(upstream.executions(), 1);
    // The same key on another path is another operation.
    let told = request(gateway.address, "POST", "/v1/refunds", &first, "a").await;
    assert_eq!((told.status, told.is_replay()), (201, false));
}

#[tokio::test]
async fn upstream_unreachable() {
    let upstream = Upstream::start().await;
    // A port that was free a moment ago and has no listener.
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let settings = Settings { address: Some(nobody), ..Settings::default() };
    let gateway = Gateway::start(&upstream, settings).await;
    for _ in 0..2 {
        let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
        told.problem(502, "upstream-unreachable", "no", "same-key");
    }
    left_no_trace(&gateway, &upstream).await;
    // A request without a key.
    let told = request(gateway.address, "POST", "/v1/charges", &[], "a").await;
    told.problem(502, "upstream-unreachable", "no", "same-key");
}

#[tokio::test]
async fn key_expired_and_forgotten() {
    let upstream = Upstream::start().await;
    let settings = Settings::route("ttl = \"200ms\"\nlease = \"100ms\"\ntombstone_ttl = \"1s\"");
    let gateway = Gateway::start(&upstream, settings).await;
    post(gateway.address, "/v1/charges", "k-1", "a").await;
    let expired = loop {
        let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
        if !told.is_replay() {
            break told;
        }
    };
    expired.problem(410, "key-expired", "yes", "never");
    assert_eq!(upstream.executions(), 1);
    // After the tombstone has ended, the key is like a new one.
    let again = loop {
        let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
        if told.status != 410 {
            break told;
        }
    };
    assert_eq!((again.status, again.is_replay(), upstream.executions()), (201, false, 2));
}

#[tokio::test]
async fn outcome_unknown_stays_unknown_as_a_tombstone() {
    let upstream =
        Upstream::answering(|_| Response::builder().status(504).body(Full::default()).expect("a response"))
            .await;
    let settings = Settings::route("ttl = \"200ms\"\nlease = \"100ms\"\ntombstone_ttl = \"0s\"");
    let gateway = Gateway::start(&upstream, settings).await;
    post(gateway.address, "/v1/charges", "k-1", "a").await;
    gateway.record_in("expired").await;
    let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
    told.problem(409, "outcome-unknown", "unknown", "never");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn outcome_settled_and_deleted() {
    let upstream =
        Upstream::answering(|_| Response::builder().status(504).body(Full::default()).expect("a response"))
            .await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    post(gateway.address, "/v1/charges", "k-1", "a").await;
    let record = gateway.record_in("unknown").await;
    let resolve = format!("/v1/records/{}/resolve", record["id"].as_str().expect("an id"));
    let resolved =
        gateway.admin_post(&resolve, &json!({ "executed": true, "note": "seen in the ledger" })).await;
    assert_eq!(resolved.json()["state"], "settled");
    let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
    told.problem(409, "outcome-settled", "yes", "never");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn request_too_large() {
    let upstream = Upstream::start().await;
    let gateway =
        Gateway::start(&upstream, Settings::default().server("request_body_limit = \"64KiB\"")).await;
    let large = vec![b'x'; 5 << 20];
    // The length is declared, and the body is still being sent when the answer comes.
    let told = post(gateway.address, "/v1/charges", "k-1", &large).await;
    told.problem(413, "request-too-large", "no", "never");
    assert_eq!(told.header("connection"), Some("close"));
    // The body comes in chunks, so only reading it shows its length.
    let mut connection = Connection::open(gateway.address).await;
    let head =
        "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: k-1\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(head).await;
    connection.send(format!("{:x}\r\n", large.len())).await;
    connection.send(&large).await;
    connection.send("\r\n0\r\n\r\n").await;
    connection.answer().await.problem(413, "request-too-large", "no", "never");
    // A client that sends `Expect` gets the answer before it has sent the body.
    let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: k-1\r\nexpect: 100-continue\r\n";
    let told = raw(&gateway, format!("{head}content-length: 65537\r\n\r\n")).await;
    told.problem(413, "request-too-large", "no", "never");
    left_no_trace(&gateway, &upstream).await;
    // A body of exactly the limit is allowed, also after `Expect`.
    let exact = vec![b'x'; 64 << 10];
    assert_eq!(post(gateway.address, "/v1/charges", "k-1", &exact).await.status, 201);
}

#[tokio::test]
async fn a_body_that_breaks_off_or_dawdles_claims_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().server("body_read_timeout = \"1s\"")).await;
    let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: k-1\r\n";
    let slow = raw(&gateway, format!("{head}content-length: 10\r\n\r\nabc")).await;
    slow.problem(408, "about:blank", "unknown", "same-key");
    let broken = raw(&gateway, format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n")).await;
    assert_eq!(broken.status, 400);
    // A client that ends its side early gets an answer or a closed connection, and never an execution.
    let mut connection = Connection::open(gateway.address).await;
    connection.send(format!("{head}content-length: 10\r\n\r\nabc")).await;
    tokio::io::AsyncWriteExt::shutdown(&mut connection.stream).await.expect("half-close");
    let told = connection.try_answer().await;
    assert!(told.is_none_or(|told| told.status == 400), "an early end is no request");
    left_no_trace(&gateway, &upstream).await;
}

#[tokio::test]
async fn a_head_that_dawdles_is_cut_off() {
    let upstream = Upstream::start().await;
    let gateway =
        Gateway::start(&upstream, Settings::default().server("header_read_timeout = \"100ms\"")).await;
    let mut connection = Connection::open(gateway.address).await;
    connection.send("POST /v1/charges HTTP/1.1\r\nhost:").await;
    let told = connection.try_answer().await;
    assert!(told.is_none_or(|told| told.status == 408));
    left_no_trace(&gateway, &upstream).await;
}

#[tokio::test]
async fn overloaded() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().server("max_in_flight = 1")).await;
    post(gateway.address, "/v1/charges", "k-0", "a").await;
    upstream.hold();
    let address = gateway.address;
    let first = tokio::spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
    upstream.reached(2).await;
    let told = post(address, "/v1/charges", "k-2", "a").await;
    assert!(told.problem(503, "overloaded", "unknown", "same-key").get("record").is_none());
    // A request that needs no execution is still answered.
    assert!(post(address, "/v1/charges", "k-0", "a").await.is_replay());
    let waiting = tokio::spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
    upstream.let_go();
    assert_eq!(first.await.expect("first").status, 201);
    assert!(waiting.await.expect("waiting").is_replay());
    assert_eq!(upstream.executions(), 2);
    assert_eq!(gateway.record_count().await, 2);
}

#[tokio::test]
async fn no_route() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for (method, path) in [("POST", "/v2/charges"), ("GET", "/v1/charges")] {
        let told = request(gateway.address, method, path, &[], "").await;
        told.problem(404, "no-route", "unknown", "never");
    }
    left_no_trace(&gateway, &upstream).await;
}

#[tokio::test]
async fn problems_can_point_to_documentation() {
    let upstream = Upstream::start().await;
    let docs = "problem_docs = \"https://docs.example.com/idempotency\"";
    let gateway = Gateway::start(&upstream, Settings::default().server(docs)).await;
    let told = post(gateway.address, "/v1/charges", "a,b", "").await;
    assert_eq!(told.json()["type"], "https://docs.example.com/idempotency#key-invalid");
}
