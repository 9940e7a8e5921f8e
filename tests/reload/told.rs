//! The words about a reload: in the log, in audit lines, and where the reload panics.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Connection, Gateway, Settings, Upstream, post};
use crate::place::{goes_on_until, in_force, metric, refused, reload};
use crate::shown::with_token;

async fn start(settings: Settings) -> (std::sync::Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, settings).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    (upstream, gateway)
}

/// Returns the settings of a gateway with an operator `ops`.
fn with_operator() -> Settings {
    let tokens = "[{ name = \"ops\", env = \"ONE\", role = \"settle\" }]";
    Settings::default().env("ONE", "one-secret").env("ONCEGATE__ADMIN__TOKENS", tokens)
}

fn line(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn digest_of(gateway: &Gateway) -> String {
    let text = fs::read(gateway.file()).expect("it can be read");
    format!("sha256:{}", oncegate::config::digest_of(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_line_names_text_and_keys_and_the_log_the_operator() {
    let (_upstream, gateway) = start(with_operator()).await;
    gateway.rewrite(|text| {
        text.replace("name = \"pay\"", "name = \"pay\"\nttl = \"2h\"\ntombstone_ttl = \"40d\"")
    });
    in_force(&with_token(&gateway, "POST", "/v1/reload", "one-secret").await);
    let audit = line(&gateway.logs("\"action\":\"reload\"").await);
    for (field, value) in [
        ("by", json!("ops")),
        ("outcome", json!("done")),
        ("digest", json!(digest_of(&gateway))),
        ("changed", json!("routes.pay.tombstone_ttl, routes.pay.ttl")),
    ] {
        assert_eq!(audit[field], value, "{field}: {audit}");
    }
    let log = line(&gateway.logs("the configuration was reloaded").await);
    assert_eq!((&log["cause"], &log["by"]), (&json!("an operator asked"), &json!("ops")), "{log}");
    gateway.rewrite(|text| format!("{text}colour = \"blue\"\n"));
    refused_by(&gateway, 422).await;
    let audit = line(&gateway.logs("\"why\":\"invalid\"").await);
    assert_eq!((&audit["outcome"], &audit["digest"]), (&json!("refused"), &json!(digest_of(&gateway))));
    assert_eq!(audit["changed"], Value::Null);
    let log = line(&gateway.logs("the configuration was not reloaded").await);
    assert_eq!(log["by"], "ops", "{log}");
    fs::remove_file(gateway.file()).expect("it is removed");
    refused_by(&gateway, 422).await;
    let audit = line(&gateway.logs("\"why\":\"unusable\"").await);
    assert_eq!((&audit["by"], &audit["digest"]), (&json!("ops"), &Value::Null), "no text was read");
}

async fn refused_by(gateway: &Gateway, status: u16) {
    let answer = with_token(gateway, "POST", "/v1/reload", "one-secret").await;
    assert_eq!(answer.status, status, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_leaves_is_in_the_audit_log_all_the_same() {
    let (_upstream, gateway) = start(with_operator().stop_at("stop-reload")).await;
    gateway.rewrite(|text| text.replace("name = \"pay\"", "name = \"pay\"\nttl = \"2h\""));
    let mut connection = Connection::open(gateway.admin).await;
    let head = format!(
        "POST /v1/reload HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer one-secret\r\ncontent-length: 0\r\n\r\n",
        gateway.admin
    );
    connection.send(head).await;
    gateway.logs("failpoint reload").await;
    drop(connection);
    goes_on_until(&gateway, "\"action\":\"reload\"").await;
    let audit = line(&gateway.logs("\"action\":\"reload\"").await);
    assert_eq!((&audit["by"], &audit["changed"]), (&json!("ops"), &json!("routes.pay.ttl")), "{audit}");
}

/// A refusal is one record of the log, also where records are lines of text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_one_line_of_text() {
    let (_upstream, gateway) = start(Settings::default().env("ONCEGATE__LOG__FORMAT", "text")).await;
    let good = fs::read_to_string(gateway.file()).expect("it can be read");
    gateway.rewrite(|text| format!("{text}ttl = \"soon\"\ncolour = \"blue\"\n"));
    refused(&reload(&gateway).await, 422, "invalid");
    let line = gateway.logs("the configuration was not reloaded").await;
    assert!(line.contains("colour") && line.contains("ttl"), "{line}");
    gateway.rewrite(|_| good.replacen("name = \"pay\"", "name = \"pay\"\nnamespace = \"other\"", 1));
    refused(&reload(&gateway).await, 409, "identity");
    let line = gateway.logs("this configuration names operations otherwise").await;
    assert!(line.contains("accept_identity_change = ["), "{line}");
    for line in gateway.log().lines() {
        assert!(line.contains("oncegate"), "a part of a record: {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_panics_says_so_and_the_next_goes_on() {
    let (upstream, gateway) = start(with_operator().stop_at("panic-reload")).await;
    let good = fs::read_to_string(gateway.file()).expect("it can be read");
    for times in 1..=2 {
        gateway.rewrite(|_| good.replace("name = \"pay\"", &format!("name = \"pay\"\nttl = \"{times}h\"")));
        let answer = with_token(&gateway, "POST", "/v1/reload", "one-secret").await;
        let problem = refused(&answer, 500, "panicked");
        assert!(problem["detail"].as_str().is_some_and(|why| why.contains("panicked")), "{problem}");
        let count = metric(&gateway, "oncegate_reloads_total{outcome=\"panicked\"}").await;
        // The file may have been looked at, too.
        assert!(count.is_some_and(|count| count >= f64::from(times)), "{count:?}");
        assert_eq!(metric(&gateway, "oncegate_last_reload_successful").await, Some(0.0));
    }
    let log = line(&gateway.logs("\"outcome\":\"panicked\"").await);
    assert_eq!((&log["level"], &log["by"]), (&json!("ERROR"), &json!("ops")), "{log}");
    let audit = line(&gateway.logs("\"action\":\"reload\"").await);
    assert_eq!((&audit["outcome"], &audit["why"]), (&json!("unclear"), &json!("panicked")), "{audit}");
    gateway.rewrite(|_| good);
    let answer = with_token(&gateway, "POST", "/v1/reload", "one-secret").await;
    assert_eq!(answer.json()["outcome"], "unchanged", "{answer:?}");
    assert_eq!(metric(&gateway, "oncegate_last_reload_successful").await, Some(1.0));
    assert!(post(gateway.address, "/v1/charges", "k", "{}").await.is_replay());
    assert_eq!(upstream.executions(), 1);
}

/// Without a token, every program on the machine is an operator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_drops_all_tokens_warns() {
    for tokens in ["token_env = \"ONE\"", "tokens = [{ name = \"ops\", env = \"ONE\", role = \"settle\" }]"] {
        let (_upstream, gateway) = start(Settings::default().env("ONE", "one-secret")).await;
        let section = format!("[admin]\n{tokens}\n");
        gateway.rewrite(|text| text.replacen("[admin]\n", &section, 1));
        in_force(&reload(&gateway).await);
        assert!(!gateway.log().contains("the last token is gone"), "{}", gateway.log());
        gateway.rewrite(|text| text.replacen(&section, "[admin]\n", 1));
        in_force(&with_token(&gateway, "POST", "/v1/reload", "one-secret").await);
        let line = gateway.logs("the last token is gone").await;
        assert!(line.contains("\"level\":\"WARN\"") && line.contains("may now read and change"), "{line}");
        assert_eq!(gateway.admin_get("/v1/routes").await.status, 200);
    }
}
