//! ACP: a server without keys of its own, a required key, and bodies that are the same by their meaning.

use serde_json::json;

use crate::dialect::{Dialect, Place};
use crate::harness::Answer;
use crate::world::{World, a_duplicate_waits, speaks};

static ACP: Dialect = Dialect {
    name: "acp",
    path: "/checkout_sessions/cs_1/complete",
    key: Place::Header("idempotency-key"),
    requires_a_key: true,
    headers: &[
        ("authorization", "Bearer agent"),
        ("content-type", "application/json"),
        ("api-version", "2026-04-17"),
        ("request-id", "req-7"),
    ],
    body: |_, amount| json!({ "payment_data": { "amount": amount } }).to_string(),
    paid: |payment, _| {
        let order = json!({ "id": format!("ord_{payment}"), "checkout_session_id": "cs_1" });
        (200, json!({ "id": "cs_1", "status": "completed", "order": order }).to_string())
    },
    failed: |_| json!({ "type": "processing_error", "code": "psp", "message": "No answer." }).to_string(),
    keeps: |_| false,
    tells_latest_status: false,
    repeats_its_key: true,
    asks_again: false,
    still_unknown: 409,
    told: |slug| {
        let invalid = |code: &str| json!({ "type": "invalid_request", "code": code });
        match slug {
            "payload-mismatch" => (422, invalid("idempotency_conflict")),
            "in-flight" => (409, invalid("idempotency_in_flight")),
            "key-missing" => (400, invalid("idempotency_key_required")),
            "key-invalid" => (400, invalid("idempotency_key_invalid")),
            "key-expired" => (410, json!({ "type": "processing_error", "code": "idempotency_key_expired" })),
            "outcome-unknown" => (409, json!({ "type": "processing_error", "code": "outcome_unknown" })),
            slug => panic!("{slug}"),
        }
    },
    sentence: "/message",
    repeatable: None,
};

#[tokio::test]
async fn it_speaks() {
    speaks(&ACP).await;
}

#[tokio::test]
async fn a_second_attempt_waits() {
    a_duplicate_waits(&ACP).await;
}

/// Section 6.2: order of members, spelling of numbers and headers do not count; null and absent are two
/// things, and so is another order of a list.
#[tokio::test]
async fn requests_are_the_same_by_their_meaning() {
    let world = World::start(&ACP).await;
    let send = async |more: &[(&str, &str)], body: &str| world.send(ACP.path, Some("k-1"), more, body).await;
    world.is_first(&send(&[], r#"{"a":1,"b":[1,2],"c":"x"}"#).await, 1, 1);
    for body in [r#"{"c":"x","b":[1,2],"a":1}"#, r#" { "a": 1.0, "b": [1.0, 2], "c": "\u0078" }"#] {
        assert!(send(&[], body).await.is_replay(), "{body}");
    }
    let others = [("accept-language", "de"), ("content-type", "application/json; charset=utf-8")];
    assert!(send(&others, r#"{"a":1,"b":[1,2],"c":"x"}"#).await.is_replay());
    for body in [r#"{"a":1,"b":[1,2],"c":"x","d":null}"#, r#"{"a":1,"b":[2,1],"c":"x"}"#] {
        world.told(&send(&[], body).await, "payload-mismatch", "no", "new-key");
    }
}

/// A key belongs to the caller and the path. A problem repeats the id of its request.
#[tokio::test]
async fn a_key_belongs_to_its_caller_and_path() {
    let world = World::start(&ACP).await;
    let body = (ACP.body)(None, 1200);
    world.is_first(&world.send(ACP.path, Some("k-1"), &[], &body).await, 1, 1);
    let other = world.send("/checkout_sessions/cs_2/complete", Some("k-1"), &[], &body).await;
    assert!(!other.is_replay(), "{other:?}");
    let other = world.send(ACP.path, Some("k-1"), &[("authorization", "Bearer other")], &body).await;
    assert!(!other.is_replay(), "{other:?}");
    let told = world.send(ACP.path, None, &[], &body).await;
    assert_eq!((told.header("request-id"), told.header("idempotency-key")), (Some("req-7"), None));
}

fn is_passed_on(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["code"], "psp", "it is the seller's own: {answer:?}");
    assert_eq!(answer.header("idempotency-outcome"), Some("unknown"), "{answer:?}");
    assert_eq!(answer.header("x-should-retry"), Some("false"), "{answer:?}");
}

/// Section 6.5 has a 5xx processed afresh. The gateway passes it on, keeps nothing of it, and runs nothing
/// again.
#[tokio::test]
async fn a_failure_of_the_server_is_held() {
    let world = World::start(&ACP).await;
    for status in [500, 502, 503, 599] {
        let key = format!("answers-{status}-1");
        is_passed_on(&world.pay(&key, 1200).await, status);
        world.told_with(&world.pay(&key, 1200).await, 409, "outcome-unknown", "unknown", "never");
        assert_eq!(world.fake.requests(&key), 1);
    }
}

/// The offered line is the letter of ACP, and costs the promise: the payment of a lost 5xx is made again.
#[tokio::test]
async fn the_letter_runs_a_failure_again() {
    let line = "outcomes = { release = [307, 308, 401, 403, 407, 421, 425, 429, \"5xx\"], unknown = [408] }";
    let world = World::with(&ACP, &[line]).await;
    let failed = world.pay("answers-500-1", 1200).await;
    assert_eq!((failed.status, failed.header("idempotency-outcome")), (500, Some("released")));
    world.is_first(&world.pay("answers-500-1", 1200).await, 1, 2);
    // A lost answer is held by the letter, too.
    world.pay("dies-1", 1200).await;
    world.told(&world.pay("dies-1", 1200).await, "outcome-unknown", "unknown", "never");
}

/// Section 6.6 has an expired key make a new request. Here it is refused, unless the offered line is taken.
#[tokio::test]
async fn an_expired_key_is_refused() {
    let short = ["ttl = \"200ms\"", "lease = \"100ms\""];
    let world = World::with(&ACP, &short).await;
    world.is_first(&world.pay("k-1", 1200).await, 1, 1);
    let told = loop {
        let told = world.pay("k-1", 1200).await;
        if !told.is_replay() {
            break told;
        }
    };
    world.told(&told, "key-expired", "yes", "never");
    assert_eq!(world.fake.payments("k-1"), 1);

    let world = World::with(&ACP, &[short[0], short[1], "tombstone_ttl = \"0s\""]).await;
    world.is_first(&world.pay("k-1", 1200).await, 1, 1);
    while world.pay("k-1", 1200).await.is_replay() {}
    assert_eq!(world.fake.payments("k-1"), 2, "by the letter an expired key pays again");
}
