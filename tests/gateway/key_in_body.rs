//! Keys in members of the body: of JSON and of forms, over HTTP/1 and HTTP/2. A request with a key that cannot
//! be read is refused, and a request without one passes as it would without the gateway.

use std::sync::Arc;

use crate::harness::{Answer, Connection, Gateway, Http2, Settings, Upstream, request, request_bytes};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ORDER: &str = "key = { json = \"/order\" }";

async fn gateway(route: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route(route).server("http2 = true")).await;
    (upstream, gateway)
}

async fn pay(gateway: &Gateway, kind: (&str, &str), body: &str) -> Answer {
    request(gateway.address, "POST", "/v1/charges", &[kind], body).await
}

async fn refused(gateway: &Gateway, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> String {
    let answer = request(gateway.address, "POST", "/v1/charges", headers, body.as_ref()).await;
    let told = answer.problem(400, "key-invalid", "no", "new-key");
    told["detail"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn an_operation_is_one_by_its_member_over_both_protocols() {
    let (upstream, gateway) = gateway(ORDER).await;
    let body = "{\"order\":\"o-17\",\"amount\":1}";
    let first = pay(&gateway, JSON, body).await;
    assert_eq!((first.status, first.is_replay()), (201, false));
    assert!(first.header("idempotency-record").is_some());

    let mut chunked = Connection::open(gateway.address).await;
    let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let (one, other) = body.split_at(9);
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n", one.len(), other.len());
    chunked.send(format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}")).await;
    let client = Http2::open(gateway.address).await;
    let target = "http://api.example/v1/charges";
    let over_http2 = client.request("POST", target, &[JSON], body).await.expect("an answer");
    for replay in [pay(&gateway, JSON, body).await, chunked.answer().await, over_http2] {
        assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &first.body, true));
    }
    let other = pay(&gateway, JSON, "{\"order\":\"o-17\",\"amount\":2}").await;
    other.problem(422, "payload-mismatch", "no", "new-key");
    let new = client.request("POST", target, &[JSON], "{\"order\":18}").await.expect("an answer");
    assert_eq!((new.status, new.is_replay()), (201, false));

    let [seen, number] = &upstream.seen()[..] else { panic!("two executions") };
    assert_eq!((seen.header("idempotency-key"), &*seen.body), ("o-17", body.as_bytes()));
    assert_eq!(number.header("idempotency-key"), "18");
    assert!(seen.header("idempotency-execution").ends_with(":1"));
}

#[tokio::test]
async fn concurrent_duplicates_of_a_member_run_once() {
    let (upstream, gateway) = gateway(ORDER).await;
    upstream.hold();
    let mut attempts = Vec::new();
    for _ in 0..16 {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(request_bytes("POST", "/v1/charges", &[FORM], b"order=o-17&amount=1")).await;
        attempts.push(connection);
    }
    gateway.duplicates(15).await;
    upstream.let_go();
    let mut replays = 0;
    for mut attempt in attempts {
        let answer = attempt.answer().await;
        assert_eq!(answer.status, 201);
        replays += usize::from(answer.is_replay());
    }
    assert_eq!((replays, upstream.executions()), (15, 1));
}

#[tokio::test]
async fn members_of_a_form_are_named_as_those_of_a_document() {
    let (upstream, gateway) = gateway("key = { json = [\"/merchant\", \"/metadata/order\"] }").await;
    for (kind, body, key) in [
        (FORM, "merchant=m&metadata[order]=17", "m:17"),
        (FORM, "metadata%5Border%5D=a%3Ab&merchant=c", "c:a%3Ab"),
        (JSON, "{\"metadata\":{\"order\":\"a\"},\"merchant\":\"b:c\"}", "b%3Ac:a"),
        (JSON, "{\"metadata\":{\"order\":\"c:a\"},\"merchant\":\"b\"}", "b:c%3Aa"),
    ] {
        let first = pay(&gateway, kind, body).await;
        assert_eq!((first.status, first.is_replay()), (201, false), "{body}");
        assert!(pay(&gateway, kind, body).await.is_replay(), "{body}");
        assert_eq!(upstream.seen().last().expect("a request").header("idempotency-key"), key);
    }
    // The same key in another form of body is the same operation, and another request.
    let other = pay(&gateway, JSON, "{\"merchant\":\"m\",\"metadata\":{\"order\":17}}").await;
    other.problem(422, "payload-mismatch", "no", "new-key");
    assert_eq!(upstream.executions(), 4);
}

/// Bodies with something in the place of a key that is none, and bodies in which a key cannot be looked for.
#[tokio::test]
async fn a_key_that_cannot_be_read_is_refused_whether_it_is_required_or_not() {
    let long = format!("{{\"order\":\"{}\"}}", "k".repeat(256));
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let members: [(&[u8], &str); 19] = [
        (b"{\"order\":null}", "null"),
        (b"{\"order\":\"\"}", "empty"),
        (b"{\"order\":\" \"}", "printable ASCII"),
        (b"{\"order\":\"a b\"}", "printable ASCII"),
        (b"{\"order\":\"a,b\"}", "printable ASCII"),
        (b"{\"order\":\"\\\"a\\\"\"}", "printable ASCII"),
        (b"{\"order\":\"\\u00e9\"}", "printable ASCII"),
        (b"{\"order\":{\"id\":1}}", "a string, or an integer"),
        (b"{\"order\":[\"a\"]}", "a string, or an integer"),
        (b"{\"order\":1.5}", "a string, or an integer"),
        (b"{\"order\":1e3}", "a string, or an integer"),
        (b"{\"order\":true}", "a string, or an integer"),
        (b"{\"order\":9007199254740993}", "2^53"),
        (b"{\"order\":\"a\",\"order\":\"a\"}", "twice"),
        (b"[{\"order\":\"a\"}]", "neither an object nor"),
        (long.as_bytes(), "longer than 255"),
        (deep.as_bytes(), "neither an object nor"),
        (b"{\"order\":\"a\"", "one JSON document"),
        (b"{\"order\":\"\xff\"}", "one JSON document"),
    ];
    for required in ["", ", required = true"] {
        let (upstream, gateway) = gateway(&format!("key = {{ json = \"/order\"{required} }}")).await;
        for (body, why) in &members {
            let detail = refused(&gateway, &[JSON], body).await;
            assert!(detail.starts_with("/order: ") && detail.contains(why), "{detail}");
        }
        for (headers, body, why) in [
            (&[][..], "{\"order\":\"a\"}", "neither JSON nor"),
            (&[("content-type", "text/plain")], "{\"order\":\"a\"}", "neither JSON nor"),
            (&[("content-type", "multipart/form-data; boundary=x")], "--x--", "neither JSON nor"),
            (&[("content-type", "application/grpc")], "x", "neither JSON nor"),
            (&[JSON, ("content-encoding", "gzip")], "{\"order\":\"a\"}", "content coding"),
            (&[FORM, ("content-encoding", "br")], "order=a", "content coding"),
            (&[FORM], "{\"order\":\"a\"}", "looks like JSON"),
            (&[FORM], "\u{feff}{\"order\":\"a\"}", "looks like JSON"),
            (&[FORM], "<r><order>a</order></r>", "looks like JSON, XML"),
            (&[FORM], "amount=1;order=a", "a bare `;`"),
            (&[FORM], "order=a;amount=1", "a bare `;`"),
            (&[FORM], "order=a&amount=%", "a broken escape"),
            (&[FORM], "amount=%ff", "not UTF-8"),
            (&[FORM], "Order=a", "upper and lower case"),
            (&[JSON], "{\"Order\":\"a\"}", "upper and lower case"),
            (&[FORM], "order=a&order=b", "twice"),
            (&[FORM], "order[]=a", "twice"),
            (&[FORM], "order=", "empty"),
            (&[FORM], "order=a+b", "printable ASCII"),
            (&[JSON], "order=a", "one JSON document"),
        ] {
            let detail = refused(&gateway, headers, body).await;
            assert!(detail.contains(why), "{headers:?} {body}: {detail}");
        }
        assert_eq!((upstream.executions(), gateway.record_count().await), (0, 0));
    }
}

/// The head tells that the body cannot be read, so the answer comes before the body.
#[tokio::test]
async fn a_body_that_cannot_be_read_is_not_waited_for() {
    let (upstream, gateway) = gateway(ORDER).await;
    for (kind, length) in [("content-type: text/plain", 1000), ("content-type: application/grpc", 5)] {
        let mut connection = Connection::open(gateway.address).await;
        let head =
            format!("POST /v1/charges HTTP/1.1\r\nhost: a\r\n{kind}\r\ncontent-length: {length}\r\n\r\n");
        connection.send(head).await;
        connection.answer().await.problem(400, "key-invalid", "no", "new-key");
    }
    assert_eq!(upstream.executions(), 0);
}

#[tokio::test]
async fn a_request_without_a_key_passes_with_its_whole_body() {
    let (upstream, gateway) = gateway(ORDER).await;
    let large = format!("{{\"orders\":\"{}\"}}", "x".repeat(200_000));
    for (headers, body) in [
        (&[JSON][..], "{\"amount\":1}"),
        (&[JSON], &large),
        (&[JSON], "{}"),
        (&[JSON], ""),
        (&[FORM], "orders=1&order_id=2"),
        (&[], ""),
        (&[("content-type", "text/plain")], ""),
    ] {
        let answer = request(gateway.address, "POST", "/v1/charges", headers, body).await;
        let protection = (answer.header("idempotency-record"), answer.header("idempotency-protected"));
        assert_eq!((answer.status, protection), (201, (None, None)), "{headers:?}");
        let seen = upstream.seen().pop().expect("a request");
        assert_eq!((seen.body.len(), seen.header("idempotency-key")), (body.len(), ""), "{headers:?}");
        assert!(seen.body == body.as_bytes() && !seen.headers.contains_key("idempotency-execution"));
    }
    // A header is not the key of this route.
    let keyed =
        request(gateway.address, "POST", "/v1/charges", &[JSON, ("idempotency-key", "k")], "{}").await;
    assert_eq!((keyed.status, keyed.header("idempotency-protected")), (201, Some("false")));
    assert_eq!(upstream.seen().pop().expect("a request").header("idempotency-key"), "k");
    assert_eq!(gateway.record_count().await, 0);
    assert!(gateway.shows("oncegate_requests_total{route=\"pay\",outcome=\"unprotected\"} 7").await);
}

#[tokio::test]
async fn a_key_can_be_required() {
    let (upstream, gateway) = gateway("key = { json = [\"/merchant\", \"/order\"], required = true }").await;
    for (kind, body) in [(JSON, "{}"), (JSON, ""), (FORM, "amount=1")] {
        let told = pay(&gateway, kind, body).await.problem(400, "key-missing", "no", "new-key");
        let detail = told["detail"].as_str().expect("a text");
        assert!(detail.contains("the members /merchant and /order of the body"), "{detail}");
    }
    let detail = refused(&gateway, &[JSON], "{\"order\":1}").await;
    assert!(detail.contains("only some of these members"), "{detail}");
    assert_eq!(upstream.executions(), 0);
}

/// A body that is too large may have a key, so it does not pass unprotected.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_or_without_a_key() {
    let upstream = Upstream::start().await;
    let settings = Settings::route(ORDER).server("request_body_limit = \"1KiB\"\nhttp2 = true");
    let gateway = Gateway::start(&upstream, settings).await;
    let rest = "x".repeat(1024);
    for body in [format!("{{\"rest\":\"{rest}\"}}"), format!("{{\"order\":\"a\",\"rest\":\"{rest}\"}}")] {
        pay(&gateway, JSON, &body).await.problem(413, "request-too-large", "no", "never");
        let client = Http2::open(gateway.address).await;
        let target = "http://api.example/v1/charges";
        let told = client.request("POST", target, &[JSON], &body).await.expect("an answer");
        assert_eq!(told.status, 413);
    }
    let mut chunked = Connection::open(gateway.address).await;
    let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    chunked.send(format!("{head}transfer-encoding: chunked\r\n\r\n600\r\n{}", "x".repeat(0x600))).await;
    assert_eq!(chunked.answer().await.status, 413);
    assert_eq!(upstream.executions(), 0);
}

#[tokio::test]
async fn a_client_that_waits_to_send_its_body_is_told_to() {
    let (upstream, gateway) = gateway(ORDER).await;
    let mut connection = Connection::open(gateway.address).await;
    let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    connection.send(format!("{head}expect: 100-continue\r\ncontent-length: 13\r\n\r\n")).await;
    assert_eq!(connection.head().await.status, 100);
    connection.send("{\"order\":\"o\"}").await;
    assert_eq!(connection.answer().await.status, 201);
    assert_eq!(upstream.seen()[0].header("idempotency-key"), "o");
}

#[tokio::test]
async fn a_key_in_the_body_does_not_tell_callers_apart() {
    let (upstream, gateway) = gateway("key = { json = \"/order\" }\nanonymous = \"refuse\"").await;
    let body = "{\"order\":\"o\"}";
    pay(&gateway, JSON, body).await.problem(400, "caller-unknown", "unknown", "same-key");
    assert_eq!(upstream.executions(), 0);
    for caller in ["Bearer a", "Bearer b"] {
        let headers = [JSON, ("authorization", caller)];
        let answer = request(gateway.address, "POST", "/v1/charges", &headers, body).await;
        assert_eq!((answer.status, answer.is_replay()), (201, false), "{caller}");
    }
    let nominated = [JSON, ("authorization", "Bearer a"), ("connection", "authorization")];
    let told = request(gateway.address, "POST", "/v1/charges", &nominated, body).await;
    assert_eq!(told.status, 400);
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test]
async fn the_first_place_that_a_request_has_is_the_place_of_its_key() {
    let (upstream, gateway) =
        gateway("key = { first = [{ header = \"X-Event-Id\" }, { json = \"/id\" }] }").await;
    let (event, body) = (("x-event-id", "\"e-1\""), "{\"id\":\"b-1\"}");
    let pay = |headers: Vec<(&'static str, &'static str)>, body: &'static str| {
        let headers = [vec![JSON], headers].concat();
        let to = gateway.address;
        async move { request(to, "POST", "/v1/charges", &headers, body).await }
    };
    assert!(!pay(vec![event], body).await.is_replay());
    assert!(pay(vec![event], body).await.is_replay());
    assert!(!pay(vec![], body).await.is_replay(), "another key");
    assert!(pay(vec![], body).await.is_replay());
    let keys: Vec<String> = upstream.seen().iter().map(|seen| seen.header("x-event-id").to_owned()).collect();
    assert_eq!(keys, ["e-1", "b-1"], "one header at the upstream, wherever the key was");
    pay(vec![("x-event-id", "")], body).await.problem(400, "key-invalid", "no", "new-key");
    pay(vec![("x-event-id", "a"), ("x-event-id", "b")], body).await.problem(
        400,
        "key-invalid",
        "no",
        "new-key",
    );
    assert_eq!(upstream.executions(), 2);
    // The head decides, so the body may be anything.
    let answer = request(gateway.address, "POST", "/v1/charges", &[event], "no JSON").await;
    answer.problem(422, "payload-mismatch", "no", "new-key");
}
