//! Square: the key in the body, and lists of errors.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::world::{World, a_duplicate_waits, speaks};

static SQUARE: Dialect = Dialect {
    name: "square",
    path: "/v2/payments",
    key: Place::Member("idempotency_key"),
    requires_a_key: true,
    headers: &[("authorization", "Bearer EAAA"), ("content-type", "application/json")],
    body: |key, amount| {
        let mut body =
            json!({ "source_id": "cnon", "amount_money": { "amount": amount, "currency": "USD" } });
        if let Some(key) = key {
            body["idempotency_key"] = json!(key);
        }
        body.to_string()
    },
    paid: |payment, _| {
        (200, json!({ "payment": { "id": format!("P{payment}"), "status": "COMPLETED" } }).to_string())
    },
    failed: |_| {
        let error = json!({ "category": "PAYMENT_METHOD_ERROR", "code": "CARD_DECLINED", "detail": "No." });
        json!({ "errors": [error] }).to_string()
    },
    keeps: |status| status == 200,
    tells_latest_status: false,
    repeats_its_key: false,
    asks_again: false,
    still_unknown: 409,
    told: |slug| {
        let error =
            |category: &str, code: &str| json!({ "errors": [{ "category": category, "code": code }] });
        let invalid = |code: &str| {
            let error =
                json!({ "category": "INVALID_REQUEST_ERROR", "code": code, "field": "idempotency_key" });
            (400, json!({ "errors": [error] }))
        };
        match slug {
            "payload-mismatch" => invalid("IDEMPOTENCY_KEY_REUSED"),
            "key-missing" => invalid("MISSING_REQUIRED_PARAMETER"),
            "key-invalid" => invalid("INVALID_VALUE"),
            "in-flight" => (409, error("API_ERROR", "CONFLICT")),
            "outcome-unknown" => (409, error("API_ERROR", "GATEWAY_TIMEOUT")),
            slug => panic!("{slug}"),
        }
    },
    sentence: "/errors/0/detail",
    repeatable: None,
};

#[tokio::test]
async fn it_speaks() {
    speaks(&SQUARE).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&SQUARE).await;
}

/// Square reads the key in the body, so the gateway adds no header with it. Refunds are covered, too.
#[tokio::test]
async fn the_key_stays_in_the_body() {
    let world = World::start(&SQUARE).await;
    for (number, path) in ["/v2/payments", "/v2/refunds"].into_iter().enumerate() {
        let body = (SQUARE.body)(Some(&format!("k-{number}")), 1200);
        world.is_first(&world.send(path, None, &[], &body).await, number + 1, 1);
        assert!(world.send(path, None, &[], &body).await.is_replay());
        let headers = world.fake.last_headers();
        assert!(headers.get("idempotency-key").is_none(), "{headers:?}");
    }
}

/// A declined card is kept: another card needs another key.
#[tokio::test]
async fn a_declined_card_is_kept() {
    let world = World::start(&SQUARE).await;
    let declined = world.pay("answers-402-1", 1200).await;
    assert_eq!((declined.status, &declined.json()["errors"][0]["code"]), (402, &json!("CARD_DECLINED")));
    assert!(world.pay("answers-402-1", 1200).await.is_replay());
    let other = (SQUARE.body)(Some("answers-402-1"), 1200).replace("cnon", "other-card");
    world.told(&world.send(SQUARE.path, None, &[], &other).await, "payload-mismatch", "no", "new-key");
}

/// Square says nothing of how long its keys protect, so an unknown outcome is held. With the offered lines it
/// is asked for again.
#[tokio::test]
async fn an_unknown_outcome_is_held() {
    let world = World::start(&SQUARE).await;
    let busy = world.pay("answers-503-1", 1200).await;
    world.told_with(&busy, 504, "outcome-unknown", "unknown", "never");
    world.told(&world.pay("answers-503-1", 1200).await, "outcome-unknown", "unknown", "never");
    assert_eq!(world.fake.requests("answers-503-1"), 1);

    let lines = [
        "key = { json = \"/idempotency_key\", required = true }",
        "on_unknown = \"retry\"",
        "upstream_keys = { window = \"1h\" }",
    ];
    let world = World::with(&SQUARE, &lines).await;
    let lost = world.pay("dies-1", 1200).await;
    world.told_with(&lost, 504, "outcome-unknown", "unknown", "same-key");
    world.is_first(&world.pay("dies-1", 1200).await, 1, 2);
    assert_eq!(world.fake.payments("dies-1"), 1);
}
