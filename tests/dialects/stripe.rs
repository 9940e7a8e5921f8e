//! Stripe: forms, keys of its own that keep every status, and the shape that is built in.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::world::{World, a_duplicate_waits, speaks};

pub static STRIPE: Dialect = Dialect {
    name: "stripe",
    path: "/v1/payment_intents",
    key: Place::Header("idempotency-key"),
    requires_a_key: false,
    headers: &[("authorization", "Bearer sk_test_1"), ("content-type", "application/x-www-form-urlencoded")],
    body: |_, amount| format!("amount={amount}&currency=eur"),
    paid: |payment, _| {
        (200, json!({ "id": format!("pi_{payment}"), "object": "payment_intent" }).to_string())
    },
    failed: |_| json!({ "error": { "type": "api_error", "message": "The ledger is away." } }).to_string(),
    keeps: |status| !matches!(status, 400 | 409 | 429 | 502..=504),
    tells_latest_status: false,
    repeats_its_key: false,
    asks_again: true,
    still_unknown: 409,
    told: |slug| match slug {
        "payload-mismatch" => (400, json!({ "error": { "type": "idempotency_error" } })),
        "in-flight" => {
            let error = json!({ "type": "invalid_request_error", "code": "idempotency_key_in_use" });
            (409, json!({ "error": error }))
        }
        "key-missing" | "key-invalid" => {
            let error = json!({ "type": "invalid_request_error", "code": slug.replace('-', "_") });
            (400, json!({ "error": error }))
        }
        "outcome-unknown" => (504, json!({ "error": { "type": "api_error", "code": "outcome_unknown" } })),
        slug => panic!("{slug}"),
    },
    sentence: "/error/message",
    repeatable: None,
};

#[tokio::test]
async fn it_speaks() {
    speaks(&STRIPE).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&STRIPE).await;
}

/// The order of members does not count in a form. The endpoint does, although it is no part of the scope.
#[tokio::test]
async fn the_same_parameters_are_the_same_request() {
    let world = World::start(&STRIPE).await;
    world.is_first(&world.pay("k-1", 1200).await, 1, 1);
    let turned = world.send(STRIPE.path, Some("k-1"), &[], "currency=eur&amount=1200").await;
    assert!(turned.is_replay(), "{turned:?}");
    let elsewhere = world.send("/v1/customers", Some("k-1"), &[], "amount=1200&currency=eur").await;
    world.told(&elsewhere, "payload-mismatch", "no", "new-key");
    let account = [("stripe-account", "acct_2")];
    let other = world.send(STRIPE.path, Some("k-1"), &account, "amount=1200&currency=eur").await;
    assert!(!other.is_replay(), "another account is another caller: {other:?}");
}

/// Stripe's own 503 is never shown, because applications take it for a payment that did not happen. The next
/// attempt asks Stripe again.
#[tokio::test]
async fn an_unknown_outcome_is_asked_for_again() {
    let world = World::start(&STRIPE).await;
    for (key, payment) in [("answers-503-1", 1), ("answers-409-1", 2)] {
        let told = world.pay(key, 1200).await;
        world.told_with(&told, 504, "outcome-unknown", "unknown", "same-key");
        let paid = world.pay(key, 1200).await;
        world.is_first(&paid, payment, 2);
        assert_eq!(world.fake.payments(key), 1);
    }
}

/// A 500 is kept by Stripe and by the gateway. A 400 is kept by the gateway alone, unless the offered line is
/// taken.
#[tokio::test]
async fn failures_are_kept() {
    let world = World::start(&STRIPE).await;
    for key in ["answers-500-1", "answers-400-1"] {
        let first = world.pay(key, 1200).await;
        let again = world.pay(key, 1200).await;
        assert!(again.is_replay() && again.body == first.body, "{again:?}");
        assert_eq!(again.status, first.status);
    }
    world.told(&world.pay("answers-400-1", 1300).await, "payload-mismatch", "no", "new-key");

    let outcomes = "outcomes = { release = [307, 308, 400, 401, 403, 407, 421, 425, 429], unknown = [408, 409, 502, 503, 504] }";
    let world = World::with(&STRIPE, &[outcomes]).await;
    let refused = world.pay("answers-400-1", 1200).await;
    assert_eq!((refused.status, refused.header("idempotency-outcome")), (400, Some("released")));
    world.is_first(&world.pay("answers-400-1", 1300).await, 1, 2);
}

/// Version 2 repeats work that failed, so no answer of it is kept.
#[tokio::test]
async fn the_second_version_passes_unprotected() {
    let world = World::start(&STRIPE).await;
    for payment in [1, 2] {
        let passed = world.send("/v2/core/accounts", Some(&format!("k-{payment}")), &[], "").await;
        assert_eq!(passed.header("idempotency-protected"), Some("false"), "{passed:?}");
    }
}
