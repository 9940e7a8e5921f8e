//! Labels: an operator finds a record by the number of an order.

use http::StatusCode;
use oncegate::protocol::{Labels, RecordId};
use serde_json::{Value, json};

use crate::audit_lines::AuditLines;
use crate::command::{json_of, printed};
use crate::events::Verdict;
use crate::world::{TTL, World};

const ORDER: (&str, &str) = ("/metadata/order_id", "o-17");
const REQUEST: (&str, &str) = ("x-request-id", "r 1");

fn both() -> Value {
    json!({ "/metadata/order_id": "o-17", "x-request-id": "r 1" })
}

async fn listed(world: &World, query: &str) -> Vec<String> {
    let list = world.get(&format!("/v1/records?{query}")).await.json();
    let records = list["records"].as_array().expect("a list has records");
    records.iter().map(|record| record["id"].as_str().expect("a record has an id").to_owned()).collect()
}

#[tokio::test]
async fn every_view_of_a_record_has_its_labels_through_all_states() {
    let world = World::start().await;
    let id = world.unknown_labelled("k-1", &[REQUEST, ORDER]).await.id;
    let lookup =
        world.post("/v1/lookup", json!({ "route": "pay", "key": "k-1", "headers": [] })).await.json();
    assert_eq!((&lookup["id"], &lookup["labels"]), (&json!(id.to_string()), &both()));
    assert_eq!(world.get("/v1/records").await.json()["records"][0]["labels"], both());
    let decision = json!({ "executed": true, "note": "seen in the ledger" });
    let resolved = world.resolve(id, decision).await.json();
    assert_eq!((&resolved["state"], &resolved["labels"]), (&json!("settled"), &both()));
    let deleted = world.delete(id).await.json();
    assert_eq!((&deleted["state"], &deleted["labels"]), (&json!("expired"), &both()));
    assert_eq!(world.show(id).await["labels"], both());

    // The labels stay those of the first attempt when a later one runs the operation.
    let id = world.unknown_labelled("k-3", &[ORDER]).await.id;
    world.resolve(id, json!({ "executed": false, "note": "never sent", "force": true })).await.json();
    let later = Labels::stored([("/metadata/order_id", "o-18")]);
    let (_, decision) = world.attempt_labelled("pay", "k-3", later).await;
    assert_eq!(decision.verdict, Verdict::Won { n: 2 });
    let shown = world.show(id).await;
    let (running, order) = (json!("running"), json!({ "/metadata/order_id": "o-17" }));
    assert_eq!((&shown["state"], &shown["labels"]), (&running, &order));

    // A record that the sweep has not reached ends by time.
    let id = world.unknown_labelled("k-2", &[ORDER]).await.id;
    world.clock.advance(TTL);
    let shown = world.show(id).await;
    assert_eq!(
        (&shown["state"], &shown["labels"]),
        (&json!("expired"), &json!({ "/metadata/order_id": "o-17" }))
    );
}

#[tokio::test]
async fn a_list_is_filtered_by_the_value_of_any_label() {
    let world = World::start().await;
    let id = |execution: crate::world::Execution| RecordId::to_string(&execution.id);
    let first = id(world.unknown_labelled("k-1", &[REQUEST, ORDER]).await);
    world.unknown_labelled("k-2", &[("x-request-id", "o-18"), ("/metadata/order_id", "o-1")]).await;
    world.clock.advance(std::time::Duration::from_secs(60));
    let late = id(world.unknown_labelled("k-3", &[("x-request-id", "o-17")]).await);
    world.completed("k-4", StatusCode::CREATED, "paid").await;
    let mut found = vec![first.clone(), late.clone()];
    assert_eq!(listed(&world, "label=o-17&order=oldest").await, found);
    found.sort();
    for query in ["label=o-17", "label=o-17&state=unknown&route=pay", "label=o-17&reason=response-timeout"] {
        assert_eq!(listed(&world, query).await, found, "{query}");
    }
    for query in ["label=r%201", "label=o-17&older_than=1m", "label=o-17&order=oldest&older_than=30s"] {
        assert_eq!(listed(&world, query).await, [&*first], "{query}");
    }
    for query in
        ["label=o-19", "label=o", "label=O-17", "label=/metadata/order_id", "label=o-17&route=refund"]
    {
        assert_eq!(listed(&world, query).await, [""; 0], "{query}");
    }
}

#[tokio::test]
async fn a_longer_value_is_found_by_its_whole_text() {
    let world = World::start().await;
    let long = "x".repeat(200);
    let id = world.unknown_labelled("k-1", &[("x-request-id", &long)]).await.id.to_string();
    assert_eq!(listed(&world, &format!("label={long}")).await, [&*id]);
    assert_eq!(listed(&world, &format!("label={}", &long[..128])).await, [id]);
    assert_eq!(listed(&world, &format!("label={}", &long[..127])).await, [""; 0]);
}

#[tokio::test]
async fn the_command_finds_and_shows_labels() {
    let world = World::start().await;
    let id = world.unknown_labelled("k-1", &[REQUEST, ORDER]).await.id.to_string();
    world.unknown("k-2").await;
    let list = ["list", "--label", "r 1"];
    assert_eq!(json_of(&world, &list).await["records"][0]["id"], id);
    let table = printed(&world, &list).await.expect("it works");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].ends_with("  LABELS") && lines[1].ends_with("  o-17, r 1"), "{table}");
    let bare = printed(&world, &["list", "--label", "none"]).await.expect("it works");
    assert_eq!(bare, "no records");
    let shown = printed(&world, &["show", &id]).await.expect("it works");
    let line = shown.lines().find(|line| line.starts_with("labels ")).expect("a line");
    assert!(line.ends_with("  /metadata/order_id: o-17"), "{shown}");
}

#[tokio::test]
async fn audit_lines_about_a_record_have_its_labels() {
    let world = World::start().await;
    let (lines, _guard) = AuditLines::capture();
    let id = world.unknown_labelled("k-1", &[REQUEST, ORDER]).await.id;
    let early = world.resolve(id, json!({ "executed": false, "note": "too early" })).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    let response = json!({ "status": 201, "headers": [], "body_base64": "" });
    world.resolve(id, json!({ "executed": true, "note": "seen", "response": response })).await.json();
    world.get(&format!("/v1/records/{id}?response=true")).await.json();
    world.delete(id).await.json();
    world.delete(id).await.problem(409, "about:blank");
    let note = json!({ "note": "another order" });
    world.post(&format!("/v1/records/{id}/reopen"), note).await.problem(409, "about:blank");
    let bare = world.completed("k-2", StatusCode::CREATED, "paid").await.id;
    world.delete(bare).await.json();
    let mut lines = lines.read();
    assert_eq!(lines.len(), 7, "{lines:?}");
    let without = lines.pop().expect("the last line");
    assert_eq!(without.get("labels"), None, "{without}");
    for line in lines {
        let labels: Value = serde_json::from_str(line["labels"].as_str().expect("labels")).expect("JSON");
        assert_eq!(labels, both(), "{line}");
    }
}
