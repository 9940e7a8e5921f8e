//! Adyen: an error code in each body, and a header that says that the same request may be sent again.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::world::{World, a_duplicate_waits, speaks};

static ADYEN: Dialect = Dialect {
    name: "adyen",
    path: "/v71/payments",
    key: Place::Header("idempotency-key"),
    requires_a_key: false,
    headers: &[("x-api-key", "AQE-secret"), ("content-type", "application/json")],
    body: |_, amount| json!({ "amount": { "value": amount, "currency": "EUR" } }).to_string(),
    paid: |payment, _| {
        (200, json!({ "pspReference": format!("PSP{payment}"), "resultCode": "Authorised" }).to_string())
    },
    failed: |status| {
        let code = if status == 503 { "703" } else { "704" };
        let body = json!({ "status": status, "errorCode": code, "message": "in progress", "errorType": "validation" });
        body.to_string()
    },
    keeps: |status| status == 200,
    tells_latest_status: false,
    repeats_its_key: true,
    asks_again: true,
    still_unknown: 409,
    told: |slug| {
        let validation = |status: u16, code: &str| {
            (status, json!({ "status": status, "errorCode": code, "errorType": "validation" }))
        };
        match slug {
            "payload-mismatch" => validation(422, slug),
            "in-flight" => validation(409, "704"),
            "key-missing" | "key-invalid" => validation(400, slug),
            "outcome-unknown" => (504, json!({ "status": 504, "errorCode": slug, "errorType": "internal" })),
            slug => panic!("{slug}"),
        }
    },
    sentence: "/message",
    repeatable: Some("transient-error"),
};

#[tokio::test]
async fn it_speaks() {
    speaks(&ADYEN).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&ADYEN).await;
}

/// Clients look whether an answer repeats the key. A replay does, because Adyen's first answer did.
#[tokio::test]
async fn an_answer_repeats_the_key() {
    let world = World::start(&ADYEN).await;
    for replayed in [false, true] {
        let answer = world.pay("k-1", 1200).await;
        assert_eq!((answer.header("idempotency-key"), answer.is_replay()), (Some("k-1"), replayed));
    }
    let told = world.pay("k-1", 9900).await;
    assert_eq!(told.header("idempotency-key"), None, "a problem does not");
}

/// A transient error frees the key, with any status, and the next attempt reaches Adyen. Other errors with
/// these statuses do not.
#[tokio::test]
async fn a_transient_error_may_be_repeated() {
    let world = World::start(&ADYEN).await;
    for (payment, key) in ["transient-503-1", "transient-422-1", "transient-409-1"].iter().enumerate() {
        let failed = world.pay(key, 1200).await;
        assert_eq!(failed.header("idempotency-outcome"), Some("released"), "{failed:?}");
        assert_eq!(failed.header("transient-error"), Some("true"), "{failed:?}");
        world.is_first(&world.pay(key, 1200).await, payment + 1, 2);
        assert!(world.pay(key, 1200).await.is_replay());
    }
    let refused = world.pay("answers-422-1", 1200).await;
    assert_eq!((refused.status, refused.header("idempotency-outcome")), (422, None));
    assert!(world.pay("answers-422-1", 1200).await.is_replay());
    assert_eq!(world.fake.requests("answers-422-1"), 1);
}

/// An outcome that stays unknown is asked for again under the key, within the window.
#[tokio::test]
async fn an_unknown_outcome_is_asked_for_again() {
    let world = World::start(&ADYEN).await;
    for (payment, key) in ["answers-503-1", "answers-409-1", "vanishes-1"].iter().enumerate() {
        let first = world.pay(key, 1200).await;
        assert!(first.status >= 400, "{first:?}");
        world.is_first(&world.pay(key, 1200).await, payment + 1, 2);
        assert_eq!(world.fake.payments(key), 1);
    }
}

/// A key of more than 64 characters is Adyen's to refuse. The key belongs to the API key.
#[tokio::test]
async fn long_keys_are_passed_on() {
    let world = World::start(&ADYEN).await;
    let long = "k".repeat(65);
    world.is_first(&world.pay(&long, 1200).await, 1, 1);
    assert_eq!(world.fake.requests(&long), 1);
    let other = [("x-api-key", "other")];
    let other = world.send(ADYEN.path, Some(&long), &other, &(ADYEN.body)(None, 1200)).await;
    assert!(!other.is_replay(), "{other:?}");
}
