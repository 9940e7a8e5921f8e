//! Labels of a route, from the request into the record, the log and the lists; and secrets that stay out of
//! them.

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, contains, request_bytes};

const LABELS: &str = "label = [\"header:x-request-id\", \"json:/metadata/order_id\"]";
/// The label of a client that tries to add fields to a line.
const ORDER: &str = "o-17 outcome=completed\" route=x";

/// The secrets. No other text contains the word.
const KEY: &str = "canary-key";
const CREDENTIALS: [(&str, &str); 3] = [
    ("authorization", "Bearer canary-token"),
    ("cookie", "session=canary-cookie"),
    ("x-api-key", "canary-api-key"),
];

async fn pay(gateway: &Gateway, request_id: &str) -> Answer {
    let body = json!({ "metadata": { "order_id": ORDER }, "card": "canary-card" }).to_string();
    let headers: Vec<_> =
        CREDENTIALS.into_iter().chain([("idempotency-key", KEY), ("x-request-id", request_id)]).collect();
    let mut connection = Connection::open(gateway.address).await;
    connection.send(request_bytes("POST", "/v1/charges?canary=query", &headers, body.as_bytes())).await;
    connection.answer().await
}

fn labels(request_id: &str) -> Value {
    json!({ "x-request-id": request_id, "/metadata/order_id": ORDER })
}

/// Returns the labels of the first log line that contains `text`.
async fn logged(gateway: &Gateway, text: &str) -> Value {
    let line: Value = serde_json::from_str(&gateway.logs(text).await).expect("a JSON line");
    let labels = line["labels"].as_str().unwrap_or_else(|| panic!("no labels: {line}"));
    assert!(!labels.contains([' ', '=']), "{labels}");
    serde_json::from_str(labels).expect("labels are JSON")
}

#[tokio::test]
async fn a_request_is_found_by_its_labels_and_its_secrets_are_nowhere() {
    let refusing = |_| Response::builder().status(503).body(Full::from("canary-answer")).expect("a response");
    let upstream = Upstream::answering(refusing).await;
    let gateway = Gateway::start(&upstream, Settings::route(LABELS)).await;
    let id = pay(&gateway, "r-1").await.header("idempotency-record").expect("a record").to_owned();
    for line in ["the outcome is unknown", "execution ended", "oncegate::access"] {
        assert_eq!(logged(&gateway, line).await, labels("r-1"), "{line}");
    }
    assert_eq!(pay(&gateway, "r-2").await.status, 409);
    assert_eq!(logged(&gateway, "r-2").await, labels("r-2"), "a retry is logged with its own labels");

    let find = async |label: &str| gateway.admin_get(&format!("/v1/records?label={label}")).await.json();
    let found = find("r-1").await;
    assert_eq!((&found["records"][0]["id"], &found["records"][0]["labels"]), (&json!(id), &labels("r-1")));
    assert_eq!(find("r-2").await["records"], json!([]), "a record has the labels of its first attempt");
    let shown = gateway.admin_get(&format!("/v1/records/{id}")).await.json();
    assert_eq!(shown["attempts"], 2, "{shown}");
    let decision = json!({ "executed": true, "note": "seen" });
    let resolved = gateway.admin_post(&format!("/v1/records/{id}/resolve"), &decision).await.json();
    assert_eq!(resolved["labels"], labels("r-1"));
    assert_eq!(logged(&gateway, "oncegate::audit").await, labels("r-1"));

    let metrics = gateway.admin_get("/metrics").await;
    assert!(!metrics.text().contains("o-17") && !metrics.text().contains("r-1"), "{}", metrics.text());
    let list = gateway.admin_get("/v1/records").await;
    for text in [gateway.log().as_str(), list.text(), metrics.text()] {
        assert!(!contains(text.as_bytes(), "canary"), "{text}");
    }
}

#[tokio::test]
async fn an_execution_that_fell_silent_is_told_with_its_labels() {
    let upstream = Upstream::start().await;
    let settings = Settings::route(&format!("{LABELS}\nlease = \"300ms\""));
    let mut gateway = Gateway::start(&upstream, settings.clone()).await;
    upstream.hold();
    let headers = [("idempotency-key", "k"), ("x-request-id", "r-1")];
    let body = json!({ "metadata": { "order_id": ORDER } }).to_string();
    let mut client = Connection::open(gateway.address).await;
    client.send(request_bytes("POST", "/v1/charges", &headers, body.as_bytes())).await;
    upstream.reached(1).await;
    gateway.kill().await;
    let gateway = gateway.restart(&upstream, settings).await;
    assert_eq!(logged(&gateway, "fell silent").await, labels("r-1"));
    assert_eq!(gateway.record_in("unknown").await["labels"], labels("r-1"));
}

#[tokio::test]
async fn a_request_without_labels_has_no_member_for_them_in_the_log() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route(LABELS)).await;
    let headers = [("idempotency-key", "k"), ("x-request-id", "a\tb")];
    let mut client = Connection::open(gateway.address).await;
    client.send(request_bytes("POST", "/v1/charges", &headers, b"not json")).await;
    assert_eq!(client.answer().await.status, 201);
    gateway.logs("oncegate::access").await;
    assert!(!gateway.log().contains("labels"), "{}", gateway.log());
    assert_eq!(gateway.record_in("completed").await["labels"], json!({}));
}
