//! Reading records: lists, single records and lookups; and deleting a stored response.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use oncegate::clock::Clock;
use oncegate::protocol::Scope;
use serde_json::{Value, json};

use crate::events::Verdict;
use crate::world::{LEASE, TOMBSTONE, TTL, World, id_of};

fn ids(list: &Value) -> BTreeSet<String> {
    let records = list["records"].as_array().expect("a list has records");
    records.iter().map(|record| record["id"].as_str().expect("a record has an id").to_owned()).collect()
}

async fn listed(world: &World, query: &str) -> BTreeSet<String> {
    ids(&world.get(&format!("/v1/records?{query}")).await.json())
}

#[tokio::test]
async fn a_record_has_exactly_the_members_of_the_contract() {
    let world = World::start().await;
    let running = world.running("k-run").await.id;
    let entry = |event: &str, note: Option<&str>| {
        json!({
            "at": "2023-11-14T22:13:20.000Z", "event": event, "by": "gateway", "note": note, "execution": 1,
        })
    };
    let (claimed, lost) = (entry("claimed", None), entry("unknown", Some("response timeout")));
    assert_eq!(
        world.show(running).await,
        json!({
            "id": running.to_string(), "namespace": "pay-keys", "route": "pay", "state": "running",
            "execution": 1, "on_unknown": "hold", "reason": null, "executed": null, "status": null,
            "created_at": "2023-11-14T22:13:20.000Z", "updated_at": "2023-11-14T22:13:20.000Z",
            "lease_until": "2023-11-14T22:13:30.000Z", "quiet_at": null, "expires_at": null,
            "history": [claimed], "labels": {},
            "attempts": 1,
        })
    );
    let unknown = world.unknown("k-unknown").await.id;
    assert_eq!(
        world.show(unknown).await,
        json!({
            "id": unknown.to_string(), "namespace": "pay-keys", "route": "pay", "state": "unknown",
            "execution": 1, "on_unknown": "hold", "reason": "response timeout", "executed": null, "status": null,
            "created_at": "2023-11-14T22:13:20.000Z", "updated_at": "2023-11-14T22:13:20.000Z",
            "lease_until": null, "quiet_at": "2023-11-14T22:14:00.000Z",
            "expires_at": "2023-11-14T23:13:20.000Z", "history": [claimed, lost], "labels": {},
            "attempts": 1,
        })
    );
    let completed = world.completed("k-done", StatusCode::CREATED, "paid").await.id;
    let shown = world.show(completed).await;
    assert_eq!((&shown["state"], &shown["status"]), (&json!("completed"), &json!(201)));
}

#[tokio::test]
async fn the_stored_response_is_shown_only_on_request() {
    let world = World::start().await;
    let id = world.completed("k-1", StatusCode::CREATED, "paid 4711").await.id;
    assert!(world.show(id).await.get("response").is_none());
    let shown = world.get(&format!("/v1/records/{id}?response=true")).await.json();
    assert_eq!(
        shown["response"],
        json!({
            "status": 201,
            "headers": [["content-type", "text/plain"]],
            "body_base64": STANDARD.encode("paid 4711"),
        })
    );
    let unknown = world.unknown("k-2").await.id;
    let shown = world.get(&format!("/v1/records/{unknown}?response=true")).await.json();
    assert_eq!(shown["response"], Value::Null);
    world.get(&format!("/v1/records/{id}?response=perhaps")).await.problem(400, "about:blank");
    world.get(&format!("/v1/records/{id}?body=true")).await.problem(400, "about:blank");
}

#[tokio::test]
async fn lists_are_filtered_by_state_and_route() {
    let world = World::start().await;
    let note = json!({ "executed": true, "note": "seen in the ledger" });
    let forced = json!({ "executed": false, "note": "never arrived", "force": true });
    let running = world.running("k-running").await.id;
    let completed = world.completed("k-completed", StatusCode::CREATED, "paid").await.id;
    let unknown = world.unknown("k-unknown").await.id;
    let settled = world.unknown("k-settled").await.id;
    world.resolve(settled, note).await.json();
    let cleared = world.unknown("k-cleared").await.id;
    world.resolve(cleared, forced).await.json();
    let expired = world.completed("k-expired", StatusCode::CREATED, "paid").await.id;
    world.delete(expired).await.json();
    let states = [
        ("running", running),
        ("completed", completed),
        ("unknown", unknown),
        ("settled", settled),
        ("cleared", cleared),
        ("expired", expired),
    ];
    for (state, id) in states {
        assert_eq!(
            listed(&world, &format!("state={state}")).await,
            BTreeSet::from([id.to_string()]),
            "{state}"
        );
        assert_eq!(world.show(id).await["state"], state);
    }
    let (refund, _) = world.attempt("refund", "k-refund").await;
    assert_eq!(listed(&world, "route=refund").await, BTreeSet::from([refund.id.to_string()]));
    assert_eq!(listed(&world, "route=pay").await.len(), 6);
    assert_eq!(listed(&world, "route=pay&state=unknown&limit=&cursor=").await.len(), 1);
    assert_eq!(listed(&world, "route=gone").await.len(), 0);
}

#[tokio::test]
async fn pages_join_to_the_whole_list() {
    let world = World::start().await;
    let mut expected = BTreeSet::new();
    for n in 0..7 {
        expected.insert(world.unknown(&format!("k-{n}")).await.id.to_string());
        world.completed(&format!("other-{n}"), StatusCode::OK, "").await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/records?state=unknown&limit=2&cursor={cursor}")).await.json();
        let shown = ids(&page);
        assert!(shown.len() <= 2, "{page}");
        seen.extend(shown);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), expected.len(), "nothing appears twice");
    assert!(seen.is_sorted(), "a stable order");
    assert_eq!(BTreeSet::from_iter(seen), expected);
}

/// No sweep runs in this test.
#[tokio::test]
async fn lists_show_records_as_of_now() {
    let world = World::start().await;
    let old = world.completed("k-old", StatusCode::CREATED, "paid").await.id;
    world.clock.advance(TTL);
    let new = world.completed("k-new", StatusCode::CREATED, "paid").await.id;
    assert_eq!(listed(&world, "state=completed").await, BTreeSet::from([new.to_string()]));
    assert_eq!(listed(&world, "state=expired&limit=1").await, BTreeSet::from([old.to_string()]));
    assert_eq!(world.show(old).await["state"], "expired");
    world.clock.advance(TOMBSTONE);
    assert!(!listed(&world, "").await.contains(&old.to_string()));
    world.get(&format!("/v1/records/{old}")).await.problem(404, "about:blank");
}

#[tokio::test]
async fn a_crash_is_listed_once_it_was_swept() {
    let world = World::start().await;
    let id = world.running("k-1").await.id;
    world.clock.advance(LEASE);
    world.ledger.sweep().await.expect("the store answers");
    assert_eq!(listed(&world, "state=unknown").await, BTreeSet::from([id.to_string()]));
    assert_eq!(world.show(id).await["reason"], "lease over");
}

/// Another name would be that of an operation which never ran.
#[tokio::test]
async fn a_lookup_that_names_no_caller_or_another_path_is_refused() {
    let world = World::start().await;
    let lookup = |headers: Value, path: Option<&str>| json!({ "route": "refund", "key": "k-1", "headers": headers, "path": path });
    let signed = json!({ "authorization": "AWS4-HMAC-SHA256 Credential=a, Signature=b" });
    for (headers, path, part) in [
        (json!({}), None, "nothing identifies the caller"),
        (signed, None, "signs each request anew"),
        (json!({ "x-tenant": "1" }), Some("/v1/pay"), "not a path of this route"),
        (json!({ "x-tenant": "1" }), Some("/v1/refund?x=1"), "not a path of this route"),
    ] {
        let lookup = lookup(headers, path);
        let detail = world.post("/v1/lookup", lookup.clone()).await.problem(400, "about:blank");
        assert!(detail.contains(part), "{detail}");
        let many = json!({ "lookups": [lookup] });
        let detail = world.post("/v1/record-ids", many).await.problem(400, "about:blank");
        assert!(detail.contains(part) && detail.contains("lookups[0]"), "{detail}");
    }
    let whole = lookup(json!({ "x-tenant": "1" }), Some("/v1/refund"));
    world.post("/v1/lookup", whole).await.problem(404, "about:blank");
}

#[tokio::test]
async fn a_lookup_names_the_operation_as_a_request_does() {
    let world = World::start().await;
    let anonymous = world.unknown("k-1").await.id;
    let found = world.post("/v1/lookup", json!({ "route": "pay", "key": "k-1" })).await.json();
    assert_eq!(found, world.show(anonymous).await);
    let quoted = world.post("/v1/lookup", json!({ "route": "pay", "key": "\"k-1\"", "headers": {} })).await;
    assert_eq!(quoted.json()["id"], anonymous.to_string());

    // The record does not exist, but the answer names the id that it would have.
    let scope =
        Scope::of([("authorization", vec![&b"Bearer a"[..]]), ("x-tenant", vec![&b"1"[..], &b"2"[..]])]);
    let expected = id_of("pay", &scope, "k-1");
    for headers in [
        json!({ "X-Tenant": ["1", "2"], "Authorization": "Bearer a", "Accept": "*/*" }),
        json!([["x-tenant", "1"], ["authorization", "Bearer a"], ["x-tenant", "2"]]),
    ] {
        let answer =
            world.post("/v1/lookup", json!({ "route": "pay", "key": "k-1", "headers": headers })).await;
        answer.problem(404, "about:blank");
        let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(problem["record"], expected.to_string());
        assert!(!answer.text().contains("Bearer a"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_deleted_response_leaves_a_tombstone() {
    let world = World::start().await;
    let id = world.completed("k-1", StatusCode::CREATED, "paid").await.id;
    let deleted = world.delete(id).await.json();
    assert_eq!(deleted["state"], "expired");
    assert_eq!(deleted["expires_at"], world.clock.now().plus(TOMBSTONE).to_string());
    let (_, late) = world.attempt("pay", "k-1").await;
    assert!(matches!(late.verdict, Verdict::Expired(_)), "{:?}", late.verdict);
    let shown = world.get(&format!("/v1/records/{id}?response=true")).await.json();
    assert_eq!(shown["response"], Value::Null);
}
