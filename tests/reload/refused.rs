//! Configurations that are refused. The one in force stays.

use std::fs;

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::place::{in_force, metric, refused, reload};

async fn still_replays(gateway: &Gateway, upstream: &Upstream) {
    assert!(post(gateway.address, "/v1/charges", "k", "{}").await.is_replay());
    assert_eq!(upstream.executions(), 1);
}

async fn start(settings: Settings) -> (std::sync::Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, settings).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    (upstream, gateway)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_refused_with_line_and_key() {
    let (upstream, gateway) = start(Settings::default()).await;
    let good = fs::read_to_string(gateway.file()).expect("it can be read");
    gateway.rewrite(|text| format!("{text}\nttl = \"soon\"\ncolour = \"blue\"\n"));
    let problem = refused(&reload(&gateway).await, 422, "invalid");
    let errors = problem["errors"].as_array().expect("errors").clone();
    assert_eq!(errors.len(), 2, "{problem}");
    for (error, key) in errors.iter().zip(["ttl", "colour"]) {
        assert!(error["key"].as_str().is_some_and(|named| named.contains(key)), "{error}");
        assert!(error["line"].as_u64().is_some_and(|line| line > 10), "{error}");
    }
    let line = gateway.logs("the configuration was not reloaded").await;
    assert!(line.contains("oncegate.toml:") && line.contains("ttl"), "{line}");
    still_replays(&gateway, &upstream).await;
    assert_eq!(metric(&gateway, "oncegate_reloads_total{outcome=\"invalid\"}").await, Some(1.0));
    assert_eq!(metric(&gateway, "oncegate_last_reload_successful").await, Some(0.0));
    // The old text is in force, so nothing is loaded, and the metric shows it.
    gateway.rewrite(|_| good);
    gateway.logs("the file is the configuration in force again").await;
    assert_eq!(metric(&gateway, "oncegate_last_reload_successful").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_without_any_syntax_is_refused_and_counted_once() {
    let (upstream, gateway) = start(Settings::default()).await;
    gateway.rewrite(|_| "routes = [".into());
    let line = gateway.logs("the configuration was not reloaded").await;
    assert!(line.contains("the file changed") && line.contains("\"level\":\"ERROR\""), "{line}");
    still_replays(&gateway, &upstream).await;
    // Several looks later it is still one refusal.
    gateway.rewrite(|_| "routes = [[".into());
    gateway.logs("oncegate.toml:1:12").await;
    assert_eq!(metric(&gateway, "oncegate_reloads_total{outcome=\"invalid\"}").await, Some(2.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_only_a_start_reads_are_named_and_nothing_is_taken() {
    let (upstream, gateway) = start(Settings::default()).await;
    for (from, to, key) in [
        ("[server]\nlisten = \"127.0.0.1:0\"", "[server]\nlisten = \"127.0.0.1:1\"", "server.listen"),
        ("[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"127.0.0.1:1\"", "admin.listen"),
        ("[server]\n", "[server]\nhttp2 = true\n", "server.http2"),
        ("[server]\n", "[server]\nmax_connections = 77\n", "server.max_connections"),
        ("[store]\n", "[store]\ntimeout = \"2s\"\n", "store.timeout"),
        ("/data\"", "/other\"", "store.url"),
        ("format = \"json\"", "format = \"text\"", "log.format"),
        ("[store]\n", "[store]\nretired = [\"POST /v9#123456\"]\n", "store.retired"),
    ] {
        let good = fs::read_to_string(gateway.file()).expect("it can be read");
        gateway.rewrite(|text| text.replace(from, to).replace("/v1/{*rest}", "/v1/{*all}"));
        let problem = refused(&reload(&gateway).await, 409, "needs-restart");
        assert_eq!(problem["restart"], serde_json::json!([key]), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(key)), "{problem}");
        let routes = gateway.admin_get("/v1/routes").await.json();
        assert_eq!(routes["routes"][0]["path"], "/v1/{*rest}", "all or nothing");
        gateway.rewrite(|_| good);
    }
    still_replays(&gateway, &upstream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_naming_of_operations_is_refused_like_a_start() {
    let (upstream, gateway) = start(Settings::default()).await;
    for (from, to) in [
        ("name = \"pay\"", "name = \"pay\"\nnamespace = \"other\""),
        ("name = \"pay\"", "name = \"pay\"\nscope = [\"x-merchant\"]"),
        ("name = \"pay\"", "name = \"pay\"\nkey = { header = \"X-Request-Key\" }"),
        ("name = \"pay\"", "name = \"pay\"\nkey = { json = \"/order\" }"),
        ("path = \"/v1/{*rest}\"", "path = \"/v2/{*rest}\""),
        ("name = \"pay\"", "name = \"pay\"\nmethods = [\"PUT\"]"),
    ] {
        let good = fs::read_to_string(gateway.file()).expect("it can be read");
        gateway.rewrite(|text| text.replacen(from, to, 1));
        let problem = refused(&reload(&gateway).await, 409, "identity");
        assert!(problem["detail"].as_str().is_some_and(|why| why.contains("POST /v1/{*rest}#")), "{problem}");
        gateway.rewrite(|_| good);
        still_replays(&gateway, &upstream).await;
    }
    // Another name of the route is no change of names.
    gateway.rewrite(|text| text.replace("name = \"pay\"", "name = \"charge\""));
    in_force(&reload(&gateway).await);
    still_replays(&gateway, &upstream).await;
}

/// Accepting other names needs a stop of all gateways, so a reload does not do it either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acceptance_needs_a_start() {
    let (upstream, gateway) = start(Settings::default()).await;
    gateway.rewrite(|text| text.replacen("name = \"pay\"", "name = \"pay\"\nnamespace = \"other\"", 1));
    let problem = refused(&reload(&gateway).await, 409, "identity");
    let detail = problem["detail"].as_str().expect("a detail");
    let from = detail.find("accept_identity_change = [").expect("the way to go on");
    let line = detail[from..].lines().next().expect("a line").to_owned();
    gateway.rewrite(|text| text.replacen("[store]", &format!("[store]\n{line}"), 1));
    let problem = refused(&reload(&gateway).await, 409, "needs-restart");
    assert_eq!(problem["restart"], serde_json::json!(["store.accept_identity_change"]));
    still_replays(&gateway, &upstream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_not_usable_are_refused() {
    let (upstream, gateway) = start(Settings::default()).await;
    let ca = gateway.file().with_file_name("ca.pem");
    fs::write(&ca, "no certificate").expect("it can be written");
    let section =
        format!("[upstreams.other]\nurl = \"https://127.0.0.1:1\"\nca = \"{}\"\n[[routes]]", ca.display());
    gateway.rewrite(|text| text.replacen("[[routes]]", &section, 1));
    let problem = reload(&gateway).await;
    assert_eq!(problem.status, 422, "{problem:?}");
    assert!(problem.text().contains("ca"), "{problem:?}");
    still_replays(&gateway, &upstream).await;
}
