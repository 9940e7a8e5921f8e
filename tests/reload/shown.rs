//! Tokens, roles, and the table of routes in force.

use serde_json::json;

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream};
use crate::place::in_force;

/// Sends a request with a token to the admin listener.
async fn with_token(gateway: &Gateway, method: &str, path: &str, token: &str) -> Answer {
    let mut connection = Connection::open(gateway.admin).await;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n",
        gateway.admin
    );
    connection.send(head).await;
    connection.answer().await
}

/// Starts a gateway with these tokens, whose secrets stand in the environment.
async fn start(tokens: &str) -> Gateway {
    let upstream = Upstream::start().await;
    let settings = Settings::default().env("ONE", "one-secret").env("TWO", "two-secret");
    let settings = settings.env("ONCEGATE__ADMIN__TOKENS", tokens);
    Gateway::start(&upstream, settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_needs_the_role_settle() {
    let tokens = "[{ name = \"reader\", env = \"ONE\", role = \"read\" }, \
                   { name = \"ops\", env = \"TWO\", role = \"settle\" }]";
    let gateway = start(tokens).await;
    assert_eq!(with_token(&gateway, "GET", "/v1/routes", "one-secret").await.status, 200);
    assert_eq!(with_token(&gateway, "POST", "/v1/reload", "one-secret").await.status, 403);
    assert_eq!(with_token(&gateway, "POST", "/v1/reload", "none").await.status, 401);
    assert_eq!(with_token(&gateway, "GET", "/v1/routes", "").await.status, 401);
    let answer = with_token(&gateway, "POST", "/v1/reload", "two-secret").await;
    assert_eq!(answer.json()["outcome"], "unchanged");
    let audit = gateway.logs("\"action\":\"reload\"").await;
    assert!(audit.contains("\"by\":\"ops\""), "{audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_rotated_without_a_restart() {
    let upstream = Upstream::start().await;
    let settings = Settings::default().env("ONE", "one-secret").env("TWO", "two-secret");
    let gateway = Gateway::start(&upstream, settings).await;
    let tokens =
        |env: &str| format!("[admin]\ntokens = [{{ name = \"ops\", env = \"{env}\", role = \"settle\" }}]\n");
    gateway.rewrite(|text| text.replacen("[admin]\n", &tokens("ONE"), 1));
    in_force(&gateway.admin_post("/v1/reload", &json!({})).await);
    assert_eq!(gateway.admin_get("/v1/routes").await.status, 401, "no more open to all");
    assert_eq!(with_token(&gateway, "GET", "/v1/routes", "one-secret").await.status, 200);
    gateway.rewrite(|text| text.replace("\"ONE\"", "\"TWO\""));
    in_force(&with_token(&gateway, "POST", "/v1/reload", "one-secret").await);
    assert_eq!(with_token(&gateway, "GET", "/v1/routes", "one-secret").await.status, 401);
    assert_eq!(with_token(&gateway, "GET", "/v1/routes", "two-secret").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_in_force_is_shown() {
    let upstream = Upstream::start().await;
    let route = "ttl = \"2h\"\ntombstone_ttl = \"10d\"\nmethods = [\"POST\", \"PUT\"]\n\
                 key = { header = \"X-Key\", required = true }\nscope = [\"x-merchant\", { path = true }]";
    let gateway = Gateway::start(&upstream, Settings::route(route)).await;
    let shown = gateway.admin_get("/v1/routes").await.json();
    let file = std::fs::read(gateway.file()).expect("it can be read");
    let digest = oncegate::config::digest_of(file);
    assert_eq!(shown["digest"], format!("sha256:{digest}"));
    assert_eq!(shown["version"], digest[..12]);
    let loaded = shown["loaded_at"].as_str().expect("a time");
    assert!(humantime::parse_rfc3339(loaded).is_ok(), "{loaded}");
    let route = &shown["routes"][0];
    for (member, value) in [
        ("name", json!("pay")),
        ("path", json!("/v1/{*rest}")),
        ("methods", json!(["POST", "PUT"])),
        ("match", json!("equivalent")),
        ("upstream", json!("payments")),
        ("namespace", json!("default")),
        ("on_unknown", json!("hold")),
        ("ttl", json!("2h")),
        ("tombstone_ttl", json!("10d")),
        ("problems", json!("rfc9457")),
    ] {
        assert_eq!(route[member], value, "{member} in {route}");
    }
    assert_eq!(route["key"]["required"], true);
    assert!(route["key"]["in"].as_str().is_some_and(|text| text.to_lowercase().contains("x-key")), "{route}");
    assert_eq!(route["scope"][0], "x-merchant");
    assert_eq!(shown["upstreams"][0]["name"], "payments");
    assert_eq!(shown["fallback"], json!(null));
}
