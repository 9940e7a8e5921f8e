//! UCP: POST and PUT, 409 for a mismatch alone, and callers that show no credential.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::world::{World, a_duplicate_waits, speaks};

const AGENT: &str = "profile=\"https://platform.example/.well-known/ucp\"";

static UCP: Dialect = Dialect {
    name: "ucp",
    path: "/checkout-sessions/chk_1/complete",
    key: Place::Header("idempotency-key"),
    requires_a_key: true,
    headers: &[("ucp-agent", AGENT), ("content-type", "application/json"), ("request-id", "req-7")],
    body: |_, amount| json!({ "payment": { "amount": amount } }).to_string(),
    paid: |payment, _| {
        let order = json!({ "id": format!("ord_{payment}") });
        (200, json!({ "id": "chk_1", "status": "completed", "order": order }).to_string())
    },
    failed: |_| json!({ "code": "internal", "content": "No answer." }).to_string(),
    keeps: |_| false,
    tells_latest_status: false,
    repeats_its_key: false,
    asks_again: false,
    still_unknown: 504,
    told: |slug| match slug {
        "payload-mismatch" => (409, json!({ "code": "idempotency_conflict" })),
        "in-flight" => (503, json!({ "code": "idempotency_in_flight" })),
        "key-missing" => (400, json!({ "code": "idempotency_key_required" })),
        "key-invalid" => (400, json!({ "code": "idempotency_key_invalid" })),
        "caller-unknown" => (400, json!({ "code": "caller_unknown" })),
        "outcome-unknown" => (504, json!({ "code": "outcome_unknown" })),
        "outcome-settled" => (410, json!({ "code": "outcome_settled" })),
        slug => panic!("{slug}"),
    },
    sentence: "/content",
    repeatable: None,
};

#[tokio::test]
async fn it_speaks() {
    speaks(&UCP).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&UCP).await;
}

/// What UCP's own conformance test does with each operation: the same request twice, then another body.
#[tokio::test]
async fn each_operation_is_protected() {
    let world = World::start(&UCP).await;
    let operations = [
        ("POST", "/checkout-sessions"),
        ("PUT", "/checkout-sessions/chk_1"),
        ("POST", "/checkout-sessions/chk_1/complete"),
        ("POST", "/checkout-sessions/chk_1/cancel"),
        ("PUT", "/carts/cart_1"),
    ];
    for (number, (method, path)) in operations.into_iter().enumerate() {
        let send = async |body| world.send_as(method, path, Some("one-key"), &[], body).await;
        let first = send("{\"currency\":\"USD\"}").await;
        world.is_first(&first, number + 1, number + 1);
        let again = send("{\"currency\":\"USD\"}").await;
        assert!(again.is_replay() && again.body == first.body, "{method} {path}: {again:?}");
        let told = send("{\"currency\":\"EUR\"}").await;
        world.told(&told, "payload-mismatch", "no", "new-key");
    }
}

/// The bytes of the body decide, and nothing of the headers.
#[tokio::test]
async fn requests_are_the_same_by_their_bytes() {
    let world = World::start(&UCP).await;
    let send = async |more: &[(&str, &str)], body: &str| world.send(UCP.path, Some("k-1"), more, body).await;
    world.is_first(&send(&[("signature", "sig1=:one:")], "{\"a\":1}").await, 1, 1);
    assert!(send(&[("signature", "sig1=:two:")], "{\"a\":1}").await.is_replay());
    world.told(&send(&[], "{\"a\": 1}").await, "payload-mismatch", "no", "new-key");
}

/// No 409 but that of a mismatch, because a platform takes a new key then: also not for a settled outcome.
#[tokio::test]
async fn nothing_else_looks_like_a_mismatch() {
    let world = World::start(&UCP).await;
    let busy = world.pay("answers-503-1", 1200).await;
    world.told(&busy, "outcome-unknown", "unknown", "never");
    assert_eq!(busy.header("retry-after"), None, "{busy:?}");
    world.told(&world.pay("answers-503-1", 1200).await, "outcome-unknown", "unknown", "never");
    let list = world.gateway.admin("GET", "/v1/records?state=unknown", "").await.json();
    let resolve = format!("/v1/records/{}/resolve", list["records"][0]["id"].as_str().expect("an id"));
    let resolved =
        world.gateway.admin("POST", &resolve, r#"{"executed":true,"note":"it is in the ledger"}"#).await;
    assert_eq!(resolved.status, 200, "{resolved:?}");
    world.told(&world.pay("answers-503-1", 1200).await, "outcome-settled", "yes", "never");
    assert_eq!(world.fake.requests("answers-503-1"), 1);
}

/// Callers are told apart by their credential and by their profile. Without both, a request is refused.
#[tokio::test]
async fn platforms_are_told_apart() {
    let world = World::start(&UCP).await;
    world.is_first(&world.pay("k-1", 1200).await, 1, 1);
    let body = (UCP.body)(None, 1200);
    for more in [("ucp-agent", "profile=\"https://other.example/ucp\""), ("x-api-key", "secret")] {
        let other = world.send(UCP.path, Some("k-1"), &[more], &body).await;
        assert!(!other.is_replay() && other.status == 200, "{more:?}: {other:?}");
    }
    let (key, json) = (("idempotency-key", "k-1"), ("content-type", "application/json"));
    let told = crate::harness::request(world.gateway.address, "POST", UCP.path, &[key, json], &body).await;
    assert_eq!((told.status, &told.json()["code"]), (400, &json!("caller_unknown")), "{told:?}");
}
