//! PayPal: a header of its own, an error with details, and the latest status in place of the first answer.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::world::{World, a_duplicate_waits, speaks};

static PAYPAL: Dialect = Dialect {
    name: "paypal",
    path: "/v2/payments/authorizations/A1/capture",
    key: Place::Header("paypal-request-id"),
    requires_a_key: false,
    headers: &[("authorization", "Bearer A21AA"), ("content-type", "application/json")],
    body: |_, amount| {
        json!({ "amount": { "value": amount.to_string(), "currency_code": "USD" } }).to_string()
    },
    paid: |payment, asked| {
        let status = if asked == 1 { "PENDING" } else { "COMPLETED" };
        (201, json!({ "id": format!("CAP{payment}"), "status": status }).to_string())
    },
    failed: |_| json!({ "name": "ERROR", "message": "An error.", "debug_id": "d1" }).to_string(),
    keeps: |status| status == 201,
    tells_latest_status: true,
    repeats_its_key: false,
    asks_again: true,
    still_unknown: 409,
    told: |slug| {
        let error = |status: u16, name: &str, issue: &str| {
            (status, json!({ "name": name, "details": [{ "issue": issue }], "links": [] }))
        };
        match slug {
            "payload-mismatch" => error(422, "UNPROCESSABLE_ENTITY", "DUPLICATE_REQUEST_ID"),
            "in-flight" => error(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS"),
            "key-missing" => error(400, "INVALID_REQUEST", "PAYPAL_REQUEST_ID_REQUIRED"),
            "key-invalid" => error(400, "INVALID_REQUEST", "INVALID_PAYPAL_REQUEST_ID"),
            "outcome-unknown" => error(504, "INTERNAL_SERVER_ERROR", "OUTCOME_UNKNOWN"),
            slug => panic!("{slug}"),
        }
    },
    sentence: "/details/0/description",
    repeatable: None,
};

#[tokio::test]
async fn it_speaks() {
    speaks(&PAYPAL).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&PAYPAL).await;
}

/// PayPal would say COMPLETED at the second request. The gateway keeps the first answer, and a GET passes.
#[tokio::test]
async fn a_replay_has_the_first_status() {
    let world = World::start(&PAYPAL).await;
    let first = world.pay("k-1", 1200).await;
    let again = world.pay("k-1", 1200).await;
    assert_eq!((&first.json()["status"], &again.json()["status"]), (&json!("PENDING"), &json!("PENDING")));
    assert!(again.is_replay());
    let told = world.pay("k-1", 9900).await.json();
    let record = told["debug_id"].as_str().expect("an id");
    assert_eq!(record.len(), 40, "support finds the record: {told}");
}

/// Both APIs are covered, each with its own window, and any 5xx is asked for again. A lost answer is found,
/// with the latest status, because PayPal's key gives that.
#[tokio::test]
async fn an_unknown_outcome_is_asked_for_again() {
    let world = World::start(&PAYPAL).await;
    let paths = ["/v2/checkout/orders/O1/capture", "/v2/payments/captures/C1/refund"];
    for (number, path) in paths.into_iter().enumerate() {
        let key = format!("answers-500-{number}");
        let body = (PAYPAL.body)(None, 1200);
        let failed = world.send(path, Some(&key), &[], &body).await;
        assert_eq!((failed.status, failed.header("idempotency-outcome")), (500, Some("unknown")));
        world.is_first(&world.send(path, Some(&key), &[], &body).await, 2 * number + 1, 2);
        let key = format!("dies-{number}");
        world.send(path, Some(&key), &[], &body).await;
        let found = world.send(path, Some(&key), &[], &body).await;
        assert_eq!((found.status, &found.json()["status"]), (201, &json!("COMPLETED")), "{found:?}");
        assert_eq!(world.fake.payments(&key), 1);
    }
}

/// A new token is another caller, whose request PayPal's own key recognises. With the offered lines all tokens
/// are one caller.
#[tokio::test]
async fn a_new_token_is_recognised_by_paypal() {
    let fresh = [("authorization", "Bearer A21BB")];
    let body = (PAYPAL.body)(None, 1200);
    let world = World::start(&PAYPAL).await;
    world.is_first(&world.pay("k-1", 1200).await, 1, 1);
    let again = world.send(PAYPAL.path, Some("k-1"), &fresh, &body).await;
    assert_eq!((again.status, again.is_replay()), (201, false), "{again:?}");
    assert_eq!((world.fake.requests("k-1"), world.fake.payments("k-1")), (2, 1));

    let world = World::with(&PAYPAL, &["scope = [{ path = true }]", "anonymous = \"one\""]).await;
    world.is_first(&world.pay("k-1", 1200).await, 1, 1);
    assert!(world.send(PAYPAL.path, Some("k-1"), &fresh, &body).await.is_replay());
}
