//! One payment, followed from the client's answer to the upstream's log.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Answer, Gateway, Settings, Upstream, post};

/// Starts an upstream that loses the first answer.
async fn losing_the_first() -> std::sync::Arc<Upstream> {
    Upstream::answering(|seen| {
        let status = if seen.number == 1 { 503 } else { 201 };
        Response::builder().status(status).body(Full::<Bytes>::default()).expect("a response")
    })
    .await
}

/// Returns the lines of requests about a record.
async fn requests(gateway: &Gateway, record: &str, count: usize) -> Vec<Value> {
    loop {
        let log = gateway.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let about = |line: &Value| line["target"] == "oncegate::access" && line["record"] == record;
        let lines: Vec<Value> = lines.filter(about).collect();
        if lines.len() >= count {
            return lines;
        }
        tokio::task::yield_now().await;
    }
}

fn record(answer: &Answer) -> String {
    answer.header("idempotency-record").expect("a record").to_owned()
}

#[tokio::test]
async fn a_failing_payment_leads_from_the_answer_to_the_upstreams_log() {
    let upstream = losing_the_first().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let lost = post(gateway.address, "/v1/charges?card=4242", "order-1", "a").await;
    assert_eq!(lost.status, 503, "{lost:?}");
    let id = record(&lost);

    let line = requests(&gateway, &id, 1).await.remove(0);
    for (member, value) in [
        ("method", json!("POST")),
        ("route", json!("pay")),
        ("path", json!("/v1/charges")),
        ("outcome", json!("outcome-unknown")),
        ("status", json!(503)),
        ("execution", json!(1)),
        ("client", json!("127.0.0.1")),
    ] {
        assert_eq!(line[member], value, "{member} in {line}");
    }
    assert_eq!(upstream.seen()[0].header("idempotency-execution"), format!("{id}:{}", line["execution"]));
    for hidden in ["4242", "order-1"] {
        assert!(!gateway.log().contains(hidden), "{hidden} in {}", gateway.log());
    }

    // The retry is refused, and its line names the execution that nothing is known of.
    assert_eq!(post(gateway.address, "/v1/charges?card=4242", "order-1", "a").await.status, 409);
    let resolution = json!({ "executed": false, "note": "a test", "force": true });
    let decided = gateway.admin_post(&format!("/v1/records/{id}/resolve"), &resolution).await;
    assert_eq!(decided.status, 200, "{decided:?}");
    let made = post(gateway.address, "/v1/charges?card=4242", "order-1", "a").await;
    assert_eq!((made.status, record(&made)), (201, id.clone()));
    assert!(post(gateway.address, "/v1/charges?card=4242", "order-1", "a").await.is_replay());

    let lines = requests(&gateway, &id, 4).await;
    let told: Vec<_> =
        lines.iter().map(|line| (line["outcome"].clone(), line["execution"].clone())).collect();
    let expected = [("outcome-unknown", 1), ("outcome-unknown", 1), ("completed", 2), ("replayed", 2)];
    assert_eq!(told, expected.map(|(outcome, n)| (json!(outcome), json!(n))));
    assert_eq!(upstream.seen()[1].header("idempotency-execution"), format!("{id}:2"));
}

/// Sends a payment, and once it runs a duplicate that waits for it. Returns both answers.
pub async fn with_a_duplicate(upstream: &Upstream, gateway: &Gateway) -> [Answer; 2] {
    upstream.hold();
    let pay = || tokio::spawn(post(gateway.address, "/v1/charges", "k", "a"));
    let first = pay();
    upstream.reached(1).await;
    let duplicate = pay();
    gateway.duplicates(1).await;
    upstream.let_go();
    let both = tokio::join!(first, duplicate);
    [both.0.expect("no panic"), both.1.expect("no panic")]
}

#[tokio::test]
async fn a_duplicate_that_waited_names_the_execution_that_it_waited_for() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let [_, waited] = with_a_duplicate(&upstream, &gateway).await;
    let id = record(&waited);
    for line in requests(&gateway, &id, 2).await {
        assert_eq!(line["execution"], 1, "{line}");
    }
}

#[tokio::test]
async fn a_request_that_is_about_no_execution_names_none() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("anonymous = \"refuse\"")).await;
    let refused = post(gateway.address, "/v1/charges", "k", "a").await;
    assert!(refused.text().contains("caller-unknown"), "{refused:?}");
    let line = gateway.logs("caller-unknown").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert!(line.get("execution").is_none() && line.get("record").is_none(), "{line}");
}
