//! Several tokens: what each role permits, and what the audit log says about it.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use oncegate::config::Role;
use serde_json::{Value, json};

use crate::audit_lines::AuditLines;
use crate::world::{Answer, World, tokens};

const READ: &str = "canary-read";
const SETTLE: &str = "canary-settle";

async fn world() -> World {
    World::guarded_by(tokens(&[("viewer", READ, Role::Read), ("ops-1", SETTLE, Role::Settle)])).await
}

async fn call(world: &World, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(world.url(path))
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json");
    world.send(request, &body.to_string()).await
}

/// Returns the audit lines, after a check that none shows a token, a key or a body.
fn read(lines: &AuditLines) -> Vec<Value> {
    let audit = lines.read();
    for line in &audit {
        assert!(!line.to_string().contains("canary"), "{line}");
        assert_eq!(line["peer"], "10.1.2.3", "{line}");
    }
    audit
}

#[tokio::test]
async fn the_role_read_looks_and_changes_nothing() {
    let (lines, _guard) = AuditLines::capture();
    let world = world().await;
    let id = world.completed("canary-key", StatusCode::CREATED, "canary-body").await.id;
    let record = format!("/v1/records/{id}");
    for path in ["/v1/records", &record] {
        assert_eq!(call(&world, READ, "GET", path, &json!(null)).await.status, StatusCode::OK, "{path}");
    }
    let lookup = json!({ "route": "pay", "key": "canary-key" });
    assert_eq!(call(&world, READ, "POST", "/v1/lookup", &lookup).await.json()["id"], id.to_string());
    assert_eq!(read(&lines).len(), 0, "looking is no line");

    let resolution = json!({ "executed": true, "note": "seen" });
    let refused = [
        ("GET", format!("{record}?response=true"), json!(null)),
        ("POST", format!("{record}/resolve"), resolution),
        ("DELETE", record.clone(), json!(null)),
        ("POST", "/v1/accept-clock".into(), json!({})),
        ("POST", "/v1/not-made-yet".into(), json!({})),
    ];
    for (method, path, body) in &refused {
        let detail = call(&world, READ, method, path, body).await.problem(403, "about:blank");
        assert!(detail.contains("role `settle`") && detail.contains("`viewer`"), "{detail}");
    }
    assert_eq!(call(&world, READ, "GET", &record, &json!(null)).await.json()["state"], "completed");

    let audit = read(&lines);
    assert_eq!(audit.len(), refused.len(), "{audit:?}");
    for (line, (method, path, _)) in audit.iter().zip(&refused) {
        assert_eq!(
            (&line["by"], &line["outcome"], &line["why"]),
            (&json!("viewer"), &json!("denied"), &json!("role"))
        );
        assert_eq!((&line["method"], &line["needed"]), (&json!(method), &json!("settle")));
        let about = path.contains(&id.to_string()).then(|| json!(id.to_string()));
        assert_eq!(line.get("record"), about.as_ref(), "{line}");
    }
}

#[tokio::test]
async fn each_showing_of_a_stored_body_and_each_change_name_their_operator() {
    let (lines, _guard) = AuditLines::capture();
    let world = world().await;
    let id = world.completed("canary-key", StatusCode::CREATED, "canary-body").await.id;
    let shown = call(&world, SETTLE, "GET", &format!("/v1/records/{id}?response=true"), &json!(null)).await;
    assert_eq!(shown.json()["response"]["status"], 201);
    assert_eq!(
        call(&world, SETTLE, "DELETE", &format!("/v1/records/{id}"), &json!(null)).await.status,
        StatusCode::OK
    );
    // The response is gone, so nothing is shown.
    call(&world, SETTLE, "GET", &format!("/v1/records/{id}?response=true"), &json!(null)).await.json();
    assert_eq!(call(&world, SETTLE, "POST", "/v1/accept-clock", &json!({})).await.status, StatusCode::OK);

    let audit = read(&lines);
    let actions: Vec<&Value> = audit.iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["show-response", "delete", "accept-clock"]);
    assert!(audit.iter().all(|line| line["by"] == "ops-1"), "{audit:?}");
    assert_eq!((&audit[0]["record"], &audit[0]["route"]), (&json!(id.to_string()), &json!("pay")));
}

#[tokio::test]
async fn a_flood_of_denied_requests_does_not_fill_the_log() {
    let (lines, _guard) = AuditLines::capture();
    let world = world().await;
    world.get("/v1/records").await.problem(401, "about:blank");
    for _ in 0..40 {
        call(&world, "canary-wrong", "GET", "/v1/records", &json!(null)).await.problem(401, "about:blank");
    }
    let audit = read(&lines);
    assert_eq!(audit.len(), 20, "{audit:?}");
    assert_eq!((&audit[0]["why"], &audit[1]["why"]), (&json!("no token"), &json!("wrong token")));
    assert!(audit.iter().all(|line| line["outcome"] == "denied" && line.get("by").is_none()), "{audit:?}");
    // A valid token is not affected.
    assert_eq!(call(&world, READ, "GET", "/v1/records", &json!(null)).await.status, StatusCode::OK);
}
