//! The contract with clients: first responses, replays, callers and outcomes.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request};

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).expect("a response")
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_byte_for_byte() {
    let binary: Vec<u8> = (0..=255).collect();
    let body = binary.clone();
    let upstream = Upstream::answering(move |_| {
        let headers =
            [("x-part", "1"), ("x-part", "2"), ("etag", "\"a\""), ("content-type", "application/x")];
        answer(201, &headers, body.clone())
    })
    .await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let first = post(gateway.address, "/v1/charges", "k-1", "amount=1").await;
    let retry = post(gateway.address, "/v1/charges", "\"k-1\"", "amount=1").await;
    assert_eq!((first.status, &first.body), (201, &binary));
    assert_eq!(first.all("x-part"), ["1", "2"]);
    assert!(!first.is_replay());
    assert!(retry.is_replay());
    assert_eq!((retry.status, &retry.body), (first.status, &first.body));
    for name in ["x-part", "etag", "content-type", "date", "content-length"] {
        assert_eq!(retry.all(name), first.all(name), "{name}");
    }
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn the_upstream_gets_the_bare_key_and_the_name_of_the_execution() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    post(gateway.address, "/v1/charges", "\"two words\"", "{}").await;
    let seen = &upstream.seen()[0];
    assert_eq!(seen.header("idempotency-key"), "two words");
    let record = &gateway.records("completed").await[0];
    let id = record["id"].as_str().expect("an id");
    assert_eq!(seen.header("idempotency-execution"), format!("{id}:1"));
    assert_eq!((record["route"].as_str(), record["status"].as_u64()), (Some("pay"), Some(201)));
}

/// Two callers with one key observe nothing of each other.
#[tokio::test]
async fn two_callers_with_one_key_are_two_operations() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let caller = |token: &'static str| {
        let headers = [("idempotency-key", "k-1"), ("authorization", token)];
        async move { request(gateway.address, "POST", "/v1/charges", &headers, "a").await }
    };
    let (alice, bob) = (caller("Bearer alice").await, caller("Bearer bob").await);
    let anonymous = post(gateway.address, "/v1/charges", "k-1", "a different body").await;
    assert!(!alice.is_replay() && !bob.is_replay() && !anonymous.is_replay());
    assert_eq!(upstream.executions(), 3);
    assert_eq!(caller("Bearer alice").await.body, alice.body);
    assert_eq!(caller("Bearer bob").await.body, bob.body);
    assert_eq!(upstream.executions(), 3);
}

#[tokio::test]
async fn a_status_that_releases_is_passed_on_and_frees_the_key() {
    let upstream = Upstream::answering(|seen| match seen.number {
        1 => answer(429, &[("retry-after", "7")], "slow down"),
        _ => answer(201, &[], "done"),
    })
    .await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let refused = post(gateway.address, "/v1/charges", "k-1", "a").await;
    assert_eq!((refused.status, refused.text()), (429, "slow down"));
    assert_eq!(refused.header("idempotency-outcome"), Some("released"));
    assert_eq!(refused.header("retry-after"), Some("7"));
    assert_eq!(gateway.record_count().await, 0);
    // The key is free, also for a different request.
    let retry = post(gateway.address, "/v1/charges", "k-1", "b").await;
    assert_eq!((retry.status, retry.header("idempotency-outcome")), (201, None));
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test]
async fn a_status_that_says_nothing_is_passed_on_once_and_held() {
    let upstream = Upstream::answering(|_| answer(503, &[], "reset")).await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let first = post(gateway.address, "/v1/charges", "k-1", "a").await;
    assert_eq!((first.status, first.text()), (503, "reset"));
    assert_eq!(first.header("idempotency-outcome"), Some("unknown"));
    let retry = post(gateway.address, "/v1/charges", "k-1", "a").await;
    retry.problem(409, "outcome-unknown", "unknown", "never");
    assert_eq!(upstream.executions(), 1);
    assert_eq!(gateway.records("unknown").await[0]["reason"], "status 503");
}

#[tokio::test]
async fn a_server_error_is_an_answer_like_any_other() {
    let upstream = Upstream::answering(|_| answer(500, &[], "broken")).await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let first = post(gateway.address, "/v1/charges", "k-1", "a").await;
    let retry = post(gateway.address, "/v1/charges", "k-1", "a").await;
    assert_eq!((first.status, retry.status, retry.text()), (500, 500, "broken"));
    assert!(retry.is_replay());
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn a_route_can_say_otherwise_what_a_status_means() {
    let upstream = Upstream::answering(|seen| match seen.path.as_str() {
        "/v1/full" => answer(503, &[], ""),
        _ => answer(401, &[], ""),
    })
    .await;
    let settings = Settings::route("outcomes = { release = [503], unknown = [] }");
    let gateway = Gateway::start(&upstream, settings).await;
    let full = post(gateway.address, "/v1/full", "k-1", "").await;
    assert_eq!(full.header("idempotency-outcome"), Some("released"));
    // A list in the configuration replaces the default list, so 401 is now stored as an outcome.
    post(gateway.address, "/v1/login", "k-2", "").await;
    assert!(post(gateway.address, "/v1/login", "k-2", "").await.is_replay());
}

#[tokio::test]
async fn a_large_answer_streams_to_the_first_and_is_never_made_again() {
    let large = "x".repeat(3 << 20);
    let body = large.clone();
    let upstream = Upstream::answering(move |_| answer(200, &[], body.clone())).await;
    let gateway = Gateway::start(&upstream, Settings::route("max_response_body = \"1MiB\"")).await;
    let first = post(gateway.address, "/v1/export", "k-1", "").await;
    assert_eq!((first.status, first.body.len()), (200, large.len()));
    let retry = post(gateway.address, "/v1/export", "k-1", "").await;
    let members = retry.problem(410, "response-not-retained", "yes", "never");
    assert_eq!(members["original_status"], 200);
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn an_event_stream_is_passed_on_as_it_comes() {
    let upstream =
        Upstream::answering(|_| answer(200, &[("content-type", "text/event-stream")], "data: 1\n\n")).await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    assert_eq!(post(gateway.address, "/v1/events", "k-1", "").await.text(), "data: 1\n\n");
    let retry = post(gateway.address, "/v1/events", "k-1", "").await;
    retry.problem(410, "response-not-retained", "yes", "never");
}

#[tokio::test]
async fn empty_answers_are_answers() {
    let upstream = Upstream::answering(|_| answer(204, &[], "")).await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for replayed in [false, true] {
        let given = post(gateway.address, "/v1/cancel", "k-1", "").await;
        assert_eq!((given.status, given.body.len(), given.is_replay()), (204, 0, replayed));
    }
}

#[tokio::test]
async fn what_no_key_protects_streams_through_in_any_size() {
    let upstream = Upstream::answering(|seen| answer(200, &[], seen.body)).await;
    let gateway =
        Gateway::start(&upstream, Settings::default().more("[fallback]\nupstream = \"payments\"")).await;
    let large = "y".repeat(20 << 20);
    // A request without a key on a route that needs none, a method that no route covers, and a path that no
    // route covers.
    for (method, path) in [("POST", "/v1/upload"), ("PUT", "/v1/upload"), ("POST", "/elsewhere")] {
        let given = request(gateway.address, method, path, &[], &large).await;
        assert_eq!((given.status, given.body.len()), (200, large.len()), "{method} {path}");
    }
    // A key does not protect a request that no route covers.
    for _ in 0..2 {
        request(gateway.address, "POST", "/elsewhere", &[("idempotency-key", "k-1")], "").await;
    }
    assert_eq!(upstream.executions(), 5);
    assert_eq!(gateway.record_count().await, 0);
}

#[tokio::test]
async fn another_spelling_of_the_path_is_still_protected() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for path in ["/%76%31/charges", "/v1/./charges", "/x/../v1/charges"] {
        let key = [("idempotency-key", path)];
        request(gateway.address, "POST", path, &key, "").await;
        assert!(request(gateway.address, "POST", path, &key, "").await.is_replay(), "{path}");
    }
    // The upstream receives the path as it was sent.
    assert_eq!(upstream.seen()[0].path, "/%76%31/charges");
}

#[tokio::test]
async fn a_fingerprint_of_json_looks_at_the_meaning() {
    let upstream = Upstream::start().await;
    let json = Settings::route("fingerprint = { body = \"json\", ignore = [\"/sent_at\"], headers = [] }");
    let gateway = Gateway::start(&upstream, json).await;
    post(gateway.address, "/v1/charges", "k-1", r#"{"amount":1,"sent_at":1}"#).await;
    let same = post(gateway.address, "/v1/charges", "k-1", r#"{ "sent_at": 2, "amount": 1.0 }"#).await;
    assert!(same.is_replay());
    let other = post(gateway.address, "/v1/charges", "k-1", r#"{"amount":2}"#).await;
    other.problem(422, "payload-mismatch", "no", "new-key");
}

/// A gateway with another configuration compares a retry by the rules of the first attempt.
#[tokio::test]
async fn a_record_keeps_the_terms_it_was_made_under() {
    let upstream = Upstream::start().await;
    let mut before = Gateway::start(&upstream, Settings::route("fingerprint = { body = \"json\" }")).await;
    post(before.address, "/v1/charges", "k-1", r#"{"a":1,"b":2}"#).await;
    before.kill().await;
    let after = before.restart(&upstream, Settings::default()).await;
    assert!(post(after.address, "/v1/charges", "k-1", r#"{"b":2,"a":1}"#).await.is_replay());
    let other = post(after.address, "/v1/charges", "k-1", r#"{"b":2}"#).await;
    other.problem(422, "payload-mismatch", "no", "new-key");
}

#[tokio::test]
async fn a_key_in_a_trailer_protects_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for _ in 0..2 {
        let mut connection = Connection::open(gateway.address).await;
        let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        connection.send(format!("{head}1\r\na\r\n0\r\nidempotency-key: k-1\r\n\r\n")).await;
        assert_eq!(connection.answer().await.status, 201);
    }
    assert_eq!(upstream.executions(), 2);
    assert!(upstream.seen().iter().all(|seen| seen.header("idempotency-key").is_empty()));
}

#[tokio::test]
async fn requests_and_outcomes_are_counted_and_nothing_secret_is_logged() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let headers = [("idempotency-key", "very-secret-key"), ("authorization", "Bearer very-secret-token")];
    for body in ["very-secret-body", "very-secret-body", "another"] {
        request(gateway.address, "POST", "/v1/charges", &headers, body).await;
    }
    let metrics = gateway.admin_get("/metrics").await;
    for line in [
        "oncegate_requests_total{route=\"pay\",outcome=\"completed\"} 1",
        "oncegate_requests_total{route=\"pay\",outcome=\"replayed\"} 1",
        "oncegate_requests_total{route=\"pay\",outcome=\"payload-mismatch\"} 1",
        "oncegate_duplicates_total{route=\"pay\",arrival=\"completed\"} 1",
        "oncegate_executions_in_flight{route=\"pay\"} 0",
    ] {
        assert!(metrics.text().contains(line), "{line}\n{}", metrics.text());
    }
    gateway.logs("payload-mismatch").await;
    let log = gateway.log();
    assert_eq!(log.matches("oncegate::access").count(), 3, "{log}");
    assert!(!log.contains("very-secret"), "{log}");
}
