//! Duplicates while the first attempt runs.

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request_bytes};

#[tokio::test]
async fn a_duplicate_waits_and_is_woken_with_the_first_answer() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let first = tokio::spawn(post_one(gateway.address));
    upstream.reached(1).await;
    let second = tokio::spawn(post_one(gateway.address));
    gateway.record_in("running").await;
    upstream.let_go();
    let (first, second) = (first.await.expect("first"), second.await.expect("second"));
    assert!(!first.is_replay() && second.is_replay());
    assert_eq!(first.body, second.body);
    assert_eq!(upstream.executions(), 1);
}

async fn post_one(to: std::net::SocketAddr) -> crate::harness::Answer {
    post(to, "/v1/charges", "k-1", "a").await
}

#[tokio::test]
async fn a_route_can_turn_duplicates_away_at_once() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("in_flight = \"reject\"")).await;
    upstream.hold();
    let first = tokio::spawn(post_one(gateway.address));
    upstream.reached(1).await;
    let told = post_one(gateway.address).await.problem(409, "in-flight", "unknown", "same-key");
    assert_eq!(told["record"], gateway.records("running").await[0]["id"]);
    upstream.let_go();
    assert_eq!(first.await.expect("first").status, 201);
    assert!(post_one(gateway.address).await.is_replay());
}

#[tokio::test]
async fn waiting_ends_with_the_wait_timeout() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("wait_timeout = \"50ms\"")).await;
    upstream.hold();
    let first = tokio::spawn(post_one(gateway.address));
    upstream.reached(1).await;
    post_one(gateway.address).await.problem(409, "in-flight", "unknown", "same-key");
    upstream.let_go();
    assert_eq!(first.await.expect("first").status, 201);
}

#[tokio::test]
async fn a_different_request_waits_for_the_outcome_and_is_a_mismatch_then() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let first = tokio::spawn(post_one(gateway.address));
    upstream.reached(1).await;
    let other = tokio::spawn(post(gateway.address, "/v1/charges", "k-1", "b"));
    let patient = tokio::spawn(post_one(gateway.address));
    gateway.duplicates(1).await;
    assert!(!other.is_finished(), "it was told before the outcome was known");
    upstream.let_go();
    first.await.expect("first");
    assert!(patient.await.expect("patient").is_replay());
    other.await.expect("other").problem(422, "payload-mismatch", "no", "new-key");
    assert_eq!(upstream.executions(), 1);
}

/// Starts an upstream that answers the body `a` with this status, and any other body with 201.
async fn saying(status: u16) -> std::sync::Arc<Upstream> {
    Upstream::answering(move |seen| {
        let status = if &*seen.body == b"a" { status } else { 201 };
        http::Response::builder().status(status).body(http_body_util::Full::from("{}")).expect("a response")
    })
    .await
}

/// The release of the first request frees the key, and the other request runs. No answer said before that it
/// never would.
#[tokio::test]
async fn a_different_request_runs_where_the_first_one_was_released() {
    let upstream = saying(429).await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let first = tokio::spawn(post(gateway.address, "/v1/charges", "k-1", "a"));
    upstream.reached(1).await;
    let other = tokio::spawn(post(gateway.address, "/v1/charges", "k-1", "b"));
    upstream.let_go();
    assert_eq!(first.await.expect("first").header("idempotency-outcome"), Some("released"));
    let other = other.await.expect("other");
    assert_eq!((other.status, other.is_replay()), (201, false));
}

/// On a route without waiting, the other request is told that the key is in flight. While the outcome is
/// unknown, the answer advises no retry.
#[tokio::test]
async fn a_different_request_is_in_flight_or_never_where_nothing_is_decided() {
    let upstream = saying(503).await;
    let gateway = Gateway::start(&upstream, Settings::route("in_flight = \"reject\"")).await;
    upstream.hold();
    let first = tokio::spawn(post(gateway.address, "/v1/charges", "k-1", "a"));
    upstream.reached(1).await;
    let other = post(gateway.address, "/v1/charges", "k-1", "b").await;
    other.problem(409, "in-flight", "unknown", "same-key");
    upstream.let_go();
    assert_eq!(first.await.expect("first").header("idempotency-outcome"), Some("unknown"));
    let other = post(gateway.address, "/v1/charges", "k-1", "b").await;
    other.problem(422, "payload-mismatch", "no", "never");
    assert_eq!(upstream.executions(), 1);
}

/// The client leaves, or closes its sending side, while the upstream works.
#[tokio::test]
async fn an_execution_outlives_its_client() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for (number, leaves) in [(1, true), (2, false)] {
        upstream.hold();
        let key = format!("k-{number}");
        let mut client = Connection::open(gateway.address).await;
        let head = format!(
            "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: {key}\r\ncontent-length: 1\r\n\r\na"
        );
        client.send(head).await;
        upstream.reached(number).await;
        if leaves {
            drop(client);
        } else {
            tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.expect("half-close");
        }
        let waiting = tokio::spawn(async move { post(gateway.address, "/v1/charges", &key, "a").await });
        upstream.let_go();
        let retry = waiting.await.expect("retry");
        assert!(retry.is_replay(), "{retry:?}");
        assert_eq!(retry.text(), format!("{{\"charge\":{number}}}"));
        assert_eq!(upstream.executions(), number);
    }
}

/// The waiters leave and the owner's client stays; then the other way round.
#[tokio::test]
async fn a_duplicate_that_leaves_changes_nothing_for_the_others() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    upstream.hold();
    let first = tokio::spawn(post_one(gateway.address));
    upstream.reached(1).await;
    let mut leaving = Connection::open(gateway.address).await;
    leaving.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", "k-1")], b"a")).await;
    gateway.duplicates(1).await;
    let staying = tokio::spawn(post_one(gateway.address));
    gateway.duplicates(2).await;
    drop(leaving);
    first.abort();
    assert!(first.await.expect_err("it was aborted").is_cancelled());
    upstream.let_go();
    let staying = staying.await.expect("staying");
    assert!(staying.is_replay(), "{staying:?}");
    assert_eq!((staying.text(), upstream.executions()), ("{\"charge\":1}", 1));
    assert!(gateway.records("unknown").await.is_empty());
}

/// The upstream needs several times the length of the lease.
#[tokio::test]
async fn a_slow_upstream_keeps_its_lease_by_renewal() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("lease = \"900ms\"")).await;
    upstream.hold();
    let first = tokio::spawn(post_one(gateway.address));
    upstream.reached(1).await;
    // Each renewal shows as a new revision. After several renewals, the first lease is long over.
    let begun = gateway.record_in("running").await;
    let mut renewals = std::collections::BTreeSet::new();
    while renewals.len() < 6 {
        let record = gateway.record_in("running").await;
        assert_eq!(record["created_at"], begun["created_at"]);
        renewals.insert(record["lease_until"].as_str().expect("a lease").to_owned());
    }
    upstream.let_go();
    assert_eq!(first.await.expect("first").status, 201);
    assert!(post_one(gateway.address).await.is_replay());
    assert_eq!(upstream.executions(), 1);
}
