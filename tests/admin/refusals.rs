//! Requests that the API refuses. A refused request changes nothing.

use http::StatusCode;
use oncegate::store::StoreError;
use serde_json::{Value, json};

use crate::faulty::Fault;
use crate::world::World;

const NOBODY: &str = "0000000000000000000000000000000000000000";

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused() {
    let world = World::start().await;
    for (query, why) in [
        ("state=lost", "state"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("cursor=xyz", "order=id"),
        ("order=oldest&cursor=xyz", "order=oldest"),
        ("order=oldest&cursor=0000000000000000000000000000000000000000", "order=oldest"),
        ("cursor=17-0000000000000000000000000000000000000000", "order=id"),
        ("order=newest", "id, oldest"),
        ("order=oldest&state=completed", "state=unknown"),
        ("reason=bored", "lease over, status NNN"),
        ("reason=status", "status NNN"),
        ("reason=status%20503&state=settled", "only unknown outcomes have a reason"),
        ("older_than=1", "\"24h\""),
        ("older_than=-1h", "older_than"),
        ("state=", "state: this filter is empty"),
        ("route=", "route: this filter is empty"),
        ("reason=", "reason: this filter is empty"),
        ("label=", "label: this filter is empty"),
        ("older_than=", "older_than: this filter is empty"),
        ("sort=id", "unknown field"),
        ("limit=1&limit=2", "duplicate field"),
    ] {
        let detail = world.get(&format!("/v1/records?{query}")).await.problem(400, "about:blank");
        assert!(detail.contains(why), "{query}: {detail}");
    }
    assert_eq!(world.get("/v1/records?limit=1000").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let world = World::start().await;
    let body = json!({ "executed": true, "note": "n" });
    for id in [NOBODY, "nobody", "%20"] {
        world.get(&format!("/v1/records/{id}")).await.problem(404, "about:blank");
        world.post(&format!("/v1/records/{id}/resolve"), body.clone()).await.problem(404, "about:blank");
    }
    world.delete(NOBODY.parse().expect("an id")).await.problem(404, "about:blank");
    let lookup = json!({ "route": "gone", "key": "k" });
    let detail = world.post("/v1/lookup", lookup).await.problem(404, "about:blank");
    assert!(detail.contains("`gone`"), "{detail}");
    let unused = json!({ "route": "pay", "key": "k-unused" });
    let detail = world.post("/v1/lookup", unused).await.problem(404, "about:blank");
    assert!(detail.ends_with("the scope of route `pay` is: authorization, x-tenant"), "{detail}");
}

#[tokio::test]
async fn a_lookup_that_names_no_operation_is_refused() {
    let world = World::start().await;
    for key in ["", "a b", "a,b", "\"a"] {
        let answer = world.post("/v1/lookup", json!({ "route": "pay", "key": key })).await;
        answer.problem(400, "urn:oncegate:problem:key-invalid");
    }
    for body in [
        json!({ "key": "k" }),
        json!({ "route": "pay" }),
        json!({ "route": "pay", "key": "k", "scope": "x" }),
        json!({ "route": "pay", "key": "k", "headers": { "a b": "x" } }),
        json!([]),
    ] {
        world.post("/v1/lookup", body).await.problem(400, "about:blank");
    }
}

#[tokio::test]
async fn a_resolution_that_is_not_understood_changes_nothing() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let before = world.show(id).await;
    let long = "x".repeat(1001);
    for (body, why) in [
        (json!({ "executed": true }), "note"),
        (json!({ "executed": true, "note": "" }), "note"),
        (json!({ "executed": true, "note": " \n" }), "note"),
        (json!({ "executed": true, "note": long }), "note"),
        (json!({ "note": "n" }), "executed"),
        (json!({ "executed": "yes", "note": "n" }), "boolean"),
        (json!({ "executed": true, "note": "n", "sure": true }), "sure"),
        (json!({ "executed": false, "note": "n", "response": { "status": 200 } }), "response"),
        (json!({ "executed": true, "note": "n", "response": {} }), "status"),
        (json!({ "executed": true, "note": "n", "response": { "status": 100 } }), "status 100"),
        (
            json!({ "executed": true, "note": "n", "response": { "status": 200, "body_base64": "!" } }),
            "base64",
        ),
        (json!({ "executed": true, "note": "n", "response": { "status": 200, "body": "" } }), "body"),
        (json!("executed"), "struct"),
    ] {
        let detail = world.resolve(id, body.clone()).await.problem(400, "about:blank");
        assert!(detail.contains(why), "{body}: {detail}");
    }
    assert_eq!(world.show(id).await, before);
}

#[tokio::test]
async fn only_an_unknown_outcome_can_be_resolved() {
    let world = World::start().await;
    let executed = json!({ "executed": true, "note": "seen" });
    let forced = json!({ "executed": false, "note": "not seen", "force": true });
    let running = world.running("k-running").await.id;
    let completed = world.completed("k-completed", StatusCode::CREATED, "paid").await.id;
    let settled = world.unknown("k-settled").await.id;
    world.resolve(settled, executed.clone()).await.json();
    let cleared = world.unknown("k-cleared").await.id;
    world.resolve(cleared, forced.clone()).await.json();
    let expired = world.completed("k-expired", StatusCode::CREATED, "paid").await.id;
    world.delete(expired).await.json();
    for (id, state) in [
        (running, "running"),
        (completed, "completed"),
        (settled, "settled"),
        (cleared, "cleared"),
        (expired, "expired"),
    ] {
        let before = world.show(id).await;
        for body in [&executed, &forced] {
            let detail = world.resolve(id, body.clone()).await.problem(409, "about:blank");
            assert!(detail.contains(state), "{state}: {detail}");
        }
        assert_eq!(world.show(id).await, before);
    }
}

#[tokio::test]
async fn only_what_is_known_to_be_executed_can_be_deleted() {
    let world = World::start().await;
    let forced = json!({ "executed": false, "note": "not seen", "force": true });
    let running = world.running("k-running").await.id;
    let unknown = world.unknown("k-unknown").await.id;
    let cleared = world.unknown("k-cleared").await.id;
    world.resolve(cleared, forced).await.json();
    for (id, state) in [(running, "running"), (unknown, "unknown"), (cleared, "cleared")] {
        let detail = world.delete(id).await.problem(409, "about:blank");
        assert!(detail.contains(state), "{detail}");
        assert_eq!(world.show(id).await["state"], state);
    }
}

#[tokio::test]
async fn a_store_that_fails_is_a_problem_of_every_endpoint() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    world.store.fails_with(Fault::Everything(StoreError::Unavailable("disk full".into())));
    let unavailable = "urn:oncegate:problem:store-unavailable";
    let resolution = json!({ "executed": true, "note": "n" });
    let lookup: Value = json!({ "route": "pay", "key": "k-1" });
    for answer in [
        world.get("/v1/records").await,
        world.get(&format!("/v1/records/{id}")).await,
        world.delete(id).await,
        world.resolve(id, resolution).await,
        world.post("/v1/lookup", lookup).await,
    ] {
        answer.problem(503, unavailable);
    }
}
