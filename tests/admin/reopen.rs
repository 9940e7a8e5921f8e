//! Taking a decision back, and the history that each record keeps.

use std::time::Duration;

use http::StatusCode;
use oncegate::protocol::RecordId;
use serde_json::{Value, json};

use crate::audit_lines::AuditLines;
use crate::events::Verdict;
use crate::world::{Answer, LEASE, RESPONSE_TIMEOUT, World};

impl World {
    async fn reopen(&self, id: RecordId, note: &str) -> Answer {
        self.post(&format!("/v1/records/{id}/reopen"), json!({ "note": note })).await
    }
}

fn not_executed(force: bool) -> Value {
    json!({ "executed": false, "note": "not in the ledger", "force": force })
}

/// Returns the event, the author, the note and the execution of each entry.
fn told(record: &Value) -> Vec<(&str, &str, &str, u64)> {
    let entries = record["history"].as_array().expect("a record shown alone has its history");
    let told = |entry| {
        let text = |member| Value::as_str(Value::get(entry, member)?);
        let [event, by, note] = ["event", "by", "note"].map(|member| text(member).unwrap_or("-"));
        (event, by, note, entry["execution"].as_u64().expect("a number"))
    };
    entries.iter().map(told).collect()
}

#[tokio::test]
async fn a_decision_is_taken_back_while_nothing_ran_after_it() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let before = world.show(id).await;
    world.resolve(id, not_executed(true)).await.json();
    let reopened = world.reopen(id, "it was another record").await.json();
    for member in ["state", "reason", "execution", "status", "created_at"] {
        assert_eq!(reopened[member], before[member], "{member}");
    }
    let (_, retry) = world.attempt("pay", "k-1").await;
    assert_eq!(retry.verdict, Verdict::Unknown, "no attempt runs");
    // The deadline is the one from before: the call may still be under way.
    world.resolve(id, not_executed(false)).await.problem(409, "about:blank");
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    world.resolve(id, not_executed(false)).await.json();
    let shown = world.show(id).await;
    assert_eq!(
        told(&shown),
        [
            ("claimed", "gateway", "-", 1),
            ("unknown", "gateway", "response timeout", 1),
            ("resolved", "loopback", "not in the ledger", 1),
            ("reopened", "loopback", "it was another record", 1),
            ("resolved", "loopback", "not in the ledger", 1),
        ]
    );
    let flags = |entry: usize, member: &str| shown["history"][entry].get(member).cloned();
    assert_eq!((flags(2, "executed"), flags(2, "forced")), (Some(json!(false)), Some(json!(true))));
    assert_eq!((flags(4, "executed"), flags(4, "forced")), (Some(json!(false)), None));
    assert_eq!(flags(1, "executed"), None);
    assert_eq!(shown["history"][4]["at"], shown["updated_at"]);
}

#[tokio::test]
async fn a_decision_stands_once_something_followed_it() {
    let world = World::start().await;
    let refused = async |id: RecordId| world.reopen(id, "wrong").await.problem(409, "about:blank");

    let supplied = world.unknown("k-response").await.id;
    let body = json!({ "executed": true, "note": "seen", "response": { "status": 201 } });
    world.resolve(supplied, body).await.json();
    let detail = refused(supplied).await;
    assert!(detail.contains("completed") && detail.contains("response"), "{detail}");

    let run = world.unknown("k-run").await.id;
    world.resolve(run, not_executed(true)).await.json();
    let (_, second) = world.attempt("pay", "k-run").await;
    assert_eq!(second.verdict, Verdict::Won { n: 2 });
    refused(run).await;

    refused(world.unknown("k-unknown").await.id).await;
    refused(world.completed("k-done", StatusCode::CREATED, "paid").await.id).await;
    let absent = RecordId::from_bytes(&[7; 20]).expect("20 bytes");
    world.reopen(absent, "wrong").await.problem(404, "about:blank");
}

#[tokio::test]
async fn a_reopening_needs_a_reason_and_is_audited() {
    let (lines, _guard) = AuditLines::capture();
    let world = World::start().await;
    let id = world.unknown_labelled("k-1", &[("x-request-id", "r-1")]).await.id;
    world.resolve(id, json!({ "executed": true, "note": "seen" })).await.json();
    for body in [json!({}), json!({ "note": " " }), json!({ "note": "x".repeat(1001) })] {
        let path = format!("/v1/records/{id}/reopen");
        world.post(&path, body).await.problem(400, "about:blank");
    }
    world.reopen(id, "not seen after all").await.json();
    world.reopen(id, "again").await.problem(409, "about:blank");
    let audit: Vec<_> = lines.read().into_iter().filter(|line| line["action"] == "reopen").collect();
    assert_eq!(audit.len(), 2, "{audit:?}");
    assert_eq!((&audit[0]["outcome"], &audit[0]["note"]), (&json!("done"), &json!("not seen after all")));
    assert_eq!(
        (&audit[1]["outcome"], &audit[1]["why"]),
        (&json!("refused"), &json!("the record is unknown"))
    );
    for line in &audit {
        assert_eq!((&line["by"], &line["record"]), (&json!("loopback"), &json!(id.to_string())));
        assert_eq!(line["labels"], r#"{"x-request-id":"r-1"}"#, "{line}");
    }
}

#[tokio::test]
async fn a_plain_payment_has_a_history_too_and_lists_have_none() {
    let world = World::start().await;
    let id = world.completed("k-1", StatusCode::CREATED, "paid").await.id;
    let completed = world.show(id).await;
    assert_eq!(told(&completed), [("claimed", "gateway", "-", 1), ("completed", "gateway", "status 201", 1)]);
    let listed = world.get("/v1/records").await.json();
    assert!(listed["records"][0].get("history").is_none(), "{listed}");

    world.delete(id).await.json();
    let deleted = world.show(id).await;
    assert_eq!(told(&deleted).last(), Some(&("deleted", "loopback", "-", 1)));
    let other = world.completed("k-2", StatusCode::CREATED, "paid").await.id;
    world.clock.advance(crate::world::TTL + Duration::from_secs(1));
    let expired = world.show(other).await;
    assert_eq!(told(&expired).last(), Some(&("expired", "gateway", "-", 1)));
}
