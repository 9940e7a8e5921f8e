//! Resolving unknown outcomes: the decision, the answers that later attempts get, and the audit log.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode};
use oncegate::protocol::StoredResponse;
use oncegate::store::StoreError;
use serde_json::{Value, json};

use crate::audit_lines::AuditLines;
use crate::events::Verdict;
use crate::faulty::Fault;
use crate::world::{LEASE, RESPONSE_TIMEOUT, World};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn executed_with_a_response_is_replayed_from_then_on() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let body = json!({
        "executed": true,
        "note": "charge ch_1 is in the ledger",
        "response": {
            "status": 201,
            "headers": { "Content-Type": "application/json", "X-Part": ["1", "2"], "Connection": "close" },
            "body_base64": STANDARD.encode("{\"id\":\"ch_1\"}"),
        },
    });
    let resolved = world.resolve(id, body).await.json();
    assert_eq!((&resolved["state"], &resolved["status"]), (&json!("completed"), &json!(201)));

    let (_, retry) = world.attempt("pay", "k-1").await;
    assert!(matches!(retry.verdict, Verdict::Replay(_)), "{:?}", retry.verdict);
    let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let expected = StoredResponse {
        status: StatusCode::CREATED,
        headers: vec![
            header("content-type", "application/json"),
            header("x-part", "1"),
            header("x-part", "2"),
        ],
        body: "{\"id\":\"ch_1\"}".into(),
    };
    assert_eq!(retry.response, Some(expected));
}

#[tokio::test]
async fn executed_without_a_response_is_settled() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let resolved = world.resolve(id, json!({ "executed": true, "note": "seen" })).await.json();
    assert_eq!((&resolved["state"], &resolved["reason"]), (&json!("settled"), &Value::Null));
    let (_, retry) = world.attempt("pay", "k-1").await;
    assert_eq!(retry.verdict, Verdict::Settled);
}

#[tokio::test]
async fn not_executed_waits_until_the_call_must_be_over() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let not_executed = json!({ "executed": false, "note": "not in the ledger", "force": false });
    world.clock.advance(LEASE + RESPONSE_TIMEOUT - SECOND);
    let detail = world.resolve(id, not_executed.clone()).await.problem(409, "about:blank");
    assert!(detail.contains("2023-11-14T22:14:00.000Z"), "{detail}");
    assert_eq!(world.show(id).await["state"], "unknown");

    world.clock.advance(SECOND);
    let resolved = world.resolve(id, not_executed).await.json();
    assert_eq!((&resolved["state"], &resolved["execution"]), (&json!("cleared"), &json!(1)));
    let (_, retry) = world.attempt("pay", "k-1").await;
    assert_eq!(retry.verdict, Verdict::Won { n: 2 });
}

#[tokio::test]
async fn force_decides_before_that() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let forced = json!({ "executed": false, "note": "upstream is gone", "force": true });
    assert_eq!(world.resolve(id, forced).await.json()["state"], "cleared");
    let (_, retry) = world.attempt("pay", "k-1").await;
    assert_eq!(retry.verdict, Verdict::Won { n: 2 });
}

/// The gateway of this execution crashed, and no sweep ran since then.
#[tokio::test]
async fn a_lease_that_is_over_need_not_be_swept_first() {
    let world = World::start().await;
    let (one, other) = (world.running("k-1").await.id, world.running("k-2").await.id);
    let executed = json!({ "executed": true, "note": "seen" });
    world.clock.advance(LEASE - SECOND);
    let detail = world.resolve(one, executed.clone()).await.problem(409, "about:blank");
    assert!(detail.contains("running"), "{detail}");

    world.clock.advance(SECOND);
    assert_eq!(world.resolve(one, executed).await.json()["state"], "settled");
    let not_executed = json!({ "executed": false, "note": "not seen" });
    let detail = world.resolve(other, not_executed).await.problem(409, "about:blank");
    assert!(detail.contains("2023-11-14T22:14:00.000Z"), "{detail}");
    let lapsed = world.show(other).await;
    assert_eq!((&lapsed["state"], &lapsed["reason"]), (&json!("unknown"), &json!("lease over")));
}

#[tokio::test]
async fn each_change_is_one_line_of_the_audit_log() {
    let (lines, _guard) = AuditLines::capture();
    let world = World::start().await;
    let unknown = world.unknown("k-secret").await.id;
    let body = json!({
        "executed": true,
        "note": "charge is in the ledger",
        "response": { "status": 201, "body_base64": STANDARD.encode("card 4242") },
    });
    world.resolve(unknown, body.clone()).await.json();
    world.resolve(unknown, body).await.problem(409, "about:blank");
    world.delete(unknown).await.json();
    world.delete(unknown).await.problem(409, "about:blank");

    let audit = lines.read();
    let outcomes: Vec<_> = audit.iter().map(|line| (&line["action"], &line["outcome"])).collect();
    let pair = |action: &str, outcome: &str| (json!(action), json!(outcome));
    let expected = [
        pair("resolve", "done"),
        pair("resolve", "refused"),
        pair("delete", "done"),
        pair("delete", "refused"),
    ];
    assert_eq!(outcomes, expected.iter().map(|(action, outcome)| (action, outcome)).collect::<Vec<_>>());
    assert_eq!(audit[1]["why"], "the record is completed");
    assert_eq!(audit[3]["why"], "the record is expired");
    let (resolved, deleted) = (&audit[0], &audit[2]);
    assert_eq!(resolved["action"], "resolve");
    assert_eq!(resolved["record"], unknown.to_string());
    assert_eq!(resolved["outcome"], "done");
    assert_eq!(resolved["executed"], true);
    assert_eq!(resolved["response_status"], 201);
    assert_eq!(resolved["forced"], false);
    assert_eq!(resolved["note"], "charge is in the ledger");
    assert!(resolved.get("ends").is_none(), "{resolved}");
    assert_eq!((&deleted["action"], &deleted["outcome"]), (&json!("delete"), &json!("done")));
    for line in &audit {
        assert_eq!((&line["by"], &line["peer"]), (&json!("loopback"), &json!("10.1.2.3")), "{line}");
        let text = line.to_string();
        let leaks =
            ["k-secret", "card 4242", &STANDARD.encode("card 4242")].map(|secret| text.contains(secret));
        assert_eq!(leaks, [false; 3], "{text}");
    }
}

#[tokio::test]
async fn a_forced_decision_is_audited_as_ending_at_most_once() {
    let (lines, _guard) = AuditLines::capture();
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let forced = json!({ "executed": false, "note": "upstream is gone", "force": true });
    world.resolve(id, forced).await.json();
    let audit = lines.read();
    assert_eq!(audit.len(), 1, "{audit:?}");
    assert_eq!((&audit[0]["forced"], &audit[0]["ends"]), (&json!(true), &json!("at-most-once")));
}

/// The store may have applied the change, so the audit log must show it.
#[tokio::test]
async fn a_change_whose_fate_is_unclear_is_audited_as_such() {
    let (lines, _guard) = AuditLines::capture();
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let body = json!({ "executed": true, "note": "seen" });
    world.store.fails_with(Fault::Changes(StoreError::Unavailable("disk full".into())));
    world.resolve(id, body.clone()).await.problem(503, "urn:oncegate:problem:store-unavailable");
    assert_eq!(lines.read().len(), 0, "nothing was written");
    world.store.fails_with(Fault::Changes(StoreError::Unclear("connection lost".into())));
    world.resolve(id, body).await.problem(503, "urn:oncegate:problem:store-unavailable");
    let audit = lines.read();
    assert_eq!(audit.len(), 1, "{audit:?}");
    assert_eq!(audit[0]["outcome"], "unclear");
}
