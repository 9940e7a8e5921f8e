//! Checkout.com: an API that keeps its 2xx alone, and attempts a payment again after anything else.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::world::{World, a_duplicate_waits, speaks};

static CHECKOUT_COM: Dialect = Dialect {
    name: "checkout-com",
    path: "/payments",
    key: Place::Header("cko-idempotency-key"),
    requires_a_key: false,
    headers: &[("authorization", "Bearer sk_test"), ("content-type", "application/json")],
    body: |_, amount| json!({ "amount": amount, "currency": "USD", "reference": "ORD-1" }).to_string(),
    paid: |payment, _| (201, json!({ "id": format!("pay_{payment}"), "approved": true }).to_string()),
    failed: |_| {
        let codes = ["payment_source_required"];
        json!({ "request_id": "r1", "error_type": "request_invalid", "error_codes": codes }).to_string()
    },
    keeps: |status| (200..300).contains(&status),
    tells_latest_status: false,
    repeats_its_key: false,
    asks_again: false,
    still_unknown: 409,
    told: |slug| {
        let error = |kind: &str, code: &str| json!({ "error_type": kind, "error_codes": [code] });
        match slug {
            "payload-mismatch" => (422, error("request_invalid", "idempotency_key_reused")),
            "key-missing" => (400, error("request_invalid", "idempotency_key_required")),
            "key-invalid" => (400, error("request_invalid", "idempotency_key_invalid")),
            "in-flight" => (409, error("processing_error", "request_in_progress")),
            "outcome-unknown" => (409, error("processing_error", "outcome_unknown")),
            slug => panic!("{slug}"),
        }
    },
    sentence: "",
    repeatable: None,
};

#[tokio::test]
async fn it_speaks() {
    speaks(&CHECKOUT_COM).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&CHECKOUT_COM).await;
}

/// Clients read the request's id; it is the record, where there is one.
#[tokio::test]
async fn a_problem_names_its_record() {
    let world = World::start(&CHECKOUT_COM).await;
    world.pay("k-1", 1200).await;
    let told = world.pay("k-1", 9900).await;
    assert_eq!(told.json()["request_id"].as_str(), told.header("idempotency-record"), "{told:?}");
    let told = world.pay("not,a,key", 1200).await;
    assert_eq!(told.json()["request_id"], "", "{told:?}");
}

/// 404 and 422 free the key, as there. 400 and 402 are kept.
#[tokio::test]
async fn a_corrected_request_may_use_its_key_again() {
    let world = World::start(&CHECKOUT_COM).await;
    for (number, status) in [422, 404].into_iter().enumerate() {
        let key = format!("answers-{status}-1");
        let refused = world.pay(&key, 1200).await;
        assert_eq!((refused.status, refused.header("idempotency-outcome")), (status, Some("released")));
        world.is_first(&world.pay(&key, 1300).await, number + 1, 2);
    }
    for key in ["answers-400-1", "answers-402-1"] {
        world.pay(key, 1200).await;
        assert!(world.pay(key, 1200).await.is_replay(), "{key}");
    }
}

/// After a 5xx, Checkout.com attempts the payment again. The gateway holds it, and tells its clients.
#[tokio::test]
async fn a_failure_of_the_server_is_held() {
    let world = World::start(&CHECKOUT_COM).await;
    for key in ["answers-500-1", "answers-503-1", "answers-409-1"] {
        world.told_with(&world.pay(key, 1200).await, 504, "outcome-unknown", "unknown", "never");
        world.told(&world.pay(key, 1200).await, "outcome-unknown", "unknown", "never");
        assert_eq!(world.fake.requests(key), 1, "{key}");
    }
}

/// The offered lines do as Checkout.com does: a lost success is found, and a failure is attempted again.
#[tokio::test]
async fn the_letter_attempts_it_again() {
    let lines = ["on_unknown = \"retry\"", "upstream_keys = { window = \"23h\" }"];
    let world = World::with(&CHECKOUT_COM, &lines).await;
    world.told_with(&world.pay("dies-1", 1200).await, 504, "outcome-unknown", "unknown", "same-key");
    world.is_first(&world.pay("dies-1", 1200).await, 1, 2);
    assert_eq!(world.fake.payments("dies-1"), 1);
    world.pay("answers-500-1", 1200).await;
    world.is_first(&world.pay("answers-500-1", 1200).await, 2, 2);
}
