//! Record ids in bulk.

use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use oncegate::config::Role;
use serde_json::{Value, json};

use crate::audit_lines::AuditLines;
use crate::world::{World, tokens};

fn lookup(key: &str, caller: &str) -> Value {
    json!({ "route": "pay", "key": key, "headers": { "authorization": caller, "x-unrelated": "1" } })
}

#[tokio::test]
async fn ids_are_those_of_single_lookups() {
    let world = World::start().await;
    let lookups = [lookup("k-1", "Bearer a"), lookup("k-2", "Bearer a"), lookup("k-1", "Bearer b")];
    let answer = world.post("/v1/record-ids", json!({ "lookups": lookups })).await.json();
    let ids = answer["ids"].as_array().expect("ids").clone();
    assert_eq!(ids.len(), 3);
    for (lookup, id) in lookups.into_iter().zip(ids) {
        let absent = world.post("/v1/lookup", lookup).await;
        absent.problem(404, "about:blank");
        let problem: Value = serde_json::from_slice(&absent.body).expect("JSON");
        assert_eq!(problem["record"], id);
    }
    assert_eq!(world.post("/v1/record-ids", json!({ "lookups": [] })).await.json(), json!({ "ids": [] }));
}

#[tokio::test]
async fn a_wrong_lookup_is_named_by_its_index() {
    let world = World::start().await;
    let asked = async |lookups: Value| world.post("/v1/record-ids", json!({ "lookups": lookups })).await;
    let good = lookup("k", "Bearer a");
    let detail = asked(json!([good, { "route": "nope", "key": "k" }])).await.problem(404, "about:blank");
    assert!(detail.starts_with("lookups[1]: no route"), "{detail}");
    let too_long = "k".repeat(10_000);
    let answer = asked(json!([good, good, { "route": "pay", "key": too_long }])).await;
    let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(problem["status"], 400, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.starts_with("lookups[2]: ")), "{problem}");
    let many = vec![good.clone(); 1001];
    let detail = asked(json!(many)).await.problem(400, "about:blank");
    assert!(detail.contains("more than 1000"), "{detail}");
    assert_eq!(asked(json!(vec![good; 1000])).await.json()["ids"].as_array().map(Vec::len), Some(1000));
}

#[tokio::test]
async fn the_role_read_suffices() {
    let (lines, _guard) = AuditLines::capture();
    let world = World::guarded_by(tokens(&[("viewer", "canary-read", Role::Read)])).await;
    let request = Request::post(world.url("/v1/record-ids"))
        .header(AUTHORIZATION, "Bearer canary-read")
        .header(CONTENT_TYPE, "application/json");
    let answer = world.send(request, &json!({ "lookups": [lookup("k", "Bearer a")] }).to_string()).await;
    assert_eq!(answer.json()["ids"].as_array().map(Vec::len), Some(1));
    assert_eq!(lines.read().len(), 0, "looking is no line");
}
