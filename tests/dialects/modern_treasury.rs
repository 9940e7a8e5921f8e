//! Modern Treasury: keys that do not belong to a route, and an API that keeps successes alone.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::world::{World, a_duplicate_waits, speaks};

pub static MODERN_TREASURY: Dialect = Dialect {
    name: "modern-treasury",
    path: "/api/payment_orders",
    key: Place::Header("idempotency-key"),
    requires_a_key: false,
    headers: &[("authorization", "Basic b3JnOnNlY3JldA=="), ("content-type", "application/json")],
    body: |_, amount| json!({ "type": "ach", "amount": amount, "direction": "credit" }).to_string(),
    paid: |payment, _| (201, json!({ "id": format!("po_{payment}"), "object": "payment_order" }).to_string()),
    failed: |_| json!({ "errors": { "code": "parameter_invalid", "message": "An error." } }).to_string(),
    keeps: |status| status == 201,
    tells_latest_status: false,
    repeats_its_key: false,
    asks_again: true,
    still_unknown: 409,
    told: |slug| {
        let error = |code: &str| json!({ "errors": { "code": code } });
        let of_the_key = |code: &str| json!({ "errors": { "code": code, "parameter": "Idempotency-Key" } });
        match slug {
            "payload-mismatch" => (422, of_the_key("payload_mismatch")),
            "key-missing" => (400, of_the_key("parameter_missing")),
            "key-invalid" => (400, of_the_key("parameter_invalid")),
            "in-flight" => (409, error("in_flight")),
            "outcome-unknown" => (504, error("outcome_unknown")),
            slug => panic!("{slug}"),
        }
    },
    sentence: "/errors/message",
    repeatable: None,
};

#[tokio::test]
async fn it_speaks() {
    speaks(&MODERN_TREASURY).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&MODERN_TREASURY).await;
}

/// One key is one operation on any route, as there. The second route gets an error, and not the first answer.
#[tokio::test]
async fn another_route_is_a_mismatch() {
    let world = World::start(&MODERN_TREASURY).await;
    world.is_first(&world.pay("k-1", 1200).await, 1, 1);
    let body = (MODERN_TREASURY.body)(None, 1200);
    let told = world.send("/api/counterparties", Some("k-1"), &[], &body).await;
    world.told(&told, "payload-mismatch", "no", "new-key");
    assert_eq!(world.fake.requests("k-1"), 1);
    let patched = world.send_as("PATCH", "/api/payment_orders/po_1", Some("k-1"), &[], &body).await;
    assert_eq!(patched.header("idempotency-protected"), Some("false"), "{patched:?}");
}

/// Invalid data frees the key, and a failure of the server is asked for again; with the offered line, an
/// operator decides about that.
#[tokio::test]
async fn only_successes_are_kept() {
    let world = World::start(&MODERN_TREASURY).await;
    for (number, status) in [422, 404].into_iter().enumerate() {
        let key = format!("answers-{status}-1");
        let refused = world.pay(&key, 1200).await;
        assert_eq!((refused.status, refused.header("idempotency-outcome")), (status, Some("released")));
        world.is_first(&world.pay(&key, 1300).await, number + 1, 2);
    }
    let failed = world.pay("answers-500-1", 1200).await;
    assert_eq!((failed.status, failed.header("idempotency-outcome")), (500, Some("unknown")));
    world.is_first(&world.pay("answers-500-1", 1200).await, 3, 2);

    let world = World::with(&MODERN_TREASURY, &["on_unknown = \"hold\""]).await;
    world.pay("answers-500-1", 1200).await;
    let told = world.pay("answers-500-1", 1200).await;
    world.told_with(&told, 409, "outcome-unknown", "unknown", "never");
    assert_eq!(world.fake.requests("answers-500-1"), 1);
}
