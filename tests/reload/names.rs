//! Names and protection of operations. A reload happens while operations run, so it takes less than a start.

use crate::harness::{Gateway, Settings, Upstream, post, request};
use crate::place::{Store, in_force, refused, reload, running};

const FALLBACK: &str = "[fallback]\nupstream = \"payments\"\n";

/// Returns the lines for `[store]` that let a start take what a reload refused.
fn acceptance(problem: &serde_json::Value) -> String {
    let detail = problem["detail"].as_str().expect("a detail");
    let lists =
        |line: &&str| line.starts_with("  accept_identity_change = [") || line.starts_with("  retired = [");
    let lines: Vec<&str> = detail.lines().filter(lists).collect();
    assert!(!lines.is_empty(), "{detail}");
    lines.join("\n")
}

fn own_store(gateway: &Gateway) -> String {
    format!("url = \"embedded:{}\"", gateway.data().display())
}

/// Lists that were left in the file after a start, or that came before their change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_a_start_has_read_let_no_reload_rename_operations() {
    let other = |text: &str| {
        format!("{text}\n[[routes]]\nname = \"other\"\npath = \"/other\"\nupstream = \"payments\"\n")
    };
    for change in ["scope = [\"authorization\"]", "namespace = \"other\"", "retired"] {
        let change = |text: &str| match change {
            "retired" => other(&text.replace("path = \"/v1/{*rest}\"", "path = \"/v2\"")),
            line => text.replace("name = \"pay\"", &format!("name = \"pay\"\n{line}")),
        };
        let upstream = Upstream::start().await;
        let mut gateway = Gateway::start(&upstream, Settings::default().more(FALLBACK)).await;
        gateway.rewrite(change);
        let lists = acceptance(&refused(&reload(&gateway).await, 409, "identity"));
        gateway.terminate().await;
        gateway.ended().await;
        let store = format!("{}\n{lists}", own_store(&gateway));
        let gateway = gateway.restart(&upstream, Settings::default().more(FALLBACK).store(&store)).await;
        let first = running(&gateway, &upstream, "/v1/charges").await;
        gateway.rewrite(change);
        let problem = refused(&reload(&gateway).await, 409, "identity");
        assert_eq!(acceptance(&problem), lists);
        let address = gateway.address;
        let retry = tokio::spawn(async move { post(address, "/v1/charges", "running", "{}").await });
        gateway.duplicates(1).await;
        upstream.let_go();
        assert_eq!(first.await.expect("no panic").status, 201);
        assert!(retry.await.expect("no panic").is_replay());
        assert_eq!(upstream.executions(), 1, "{lists}");
    }
}

/// After a start with the acceptance and the change, the store itself says that the change is accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_a_start_has_accepted_hinders_no_reload() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    let line = "namespace = \"other\"";
    gateway.rewrite(|text| text.replace("name = \"pay\"", &format!("name = \"pay\"\n{line}")));
    let lists = acceptance(&refused(&reload(&gateway).await, 409, "identity"));
    gateway.terminate().await;
    gateway.ended().await;
    let store = format!("{}\n{lists}", own_store(&gateway));
    let gateway = gateway.restart(&upstream, Settings::route(line).store(&store)).await;
    gateway.rewrite(|text| text.replace(line, &format!("{line}\nttl = \"2h\"")));
    in_force(&reload(&gateway).await);
    gateway.rewrite(|text| text.replace(&lists, ""));
    in_force(&reload(&gateway).await);
    // The way back is another change.
    gateway.rewrite(|text| text.replace(line, ""));
    refused(&reload(&gateway).await, 409, "identity");
}

/// The gateway knows its own names, even in the moment after the store was emptied.
async fn names_that_the_store_has_lost_still_count(store: Store) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().store(&store.lines())).await;
    match &store {
        Store::Embedded | Store::Memory => unreachable!("only their gateway writes there"),
        Store::Redis(server) => server.say::<()>("FLUSHALL"),
        Store::Postgres { server, schema } => {
            server.run(&format!("DELETE FROM {schema}.names")).await;
        }
    }
    gateway.rewrite(|text| text.replace("name = \"pay\"", "name = \"pay\"\nnamespace = \"other\""));
    let problem = refused(&reload(&gateway).await, 409, "identity");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("POST /v1/{*rest}#")), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_redis_has_lost_still_count() {
    names_that_the_store_has_lost_still_count(Store::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_postgres_has_lost_still_count() {
    names_that_the_store_has_lost_still_count(Store::postgres()).await;
}

/// A retry of a running execution would stream to the fallback and run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_of_running_operations_are_not_left_to_the_fallback() {
    for (path, from, to) in [
        ("/v1/refunds", "/v1/{*rest}", "/v1/charges"),
        ("/v1/refunds/1", "/v1/{*rest}", "/v1/{id}"),
        ("/V1/Charges", "name = \"pay\"", "name = \"pay\"\nmatch = \"exact\""),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::start(&upstream, Settings::default().more(FALLBACK)).await;
        let first = running(&gateway, &upstream, path).await;
        gateway.rewrite(|text| text.replacen(from, to, 1));
        let problem = refused(&reload(&gateway).await, 409, "identity");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains("POST /v1/{*rest}#") && detail.contains("keyed = \"refuse\""), "{detail}");
        assert!(!detail.contains("accept_identity_change"), "nothing to accept: {detail}");
        let address = gateway.address;
        let retry = tokio::spawn(async move { post(address, path, "running", "{}").await });
        gateway.duplicates(1).await;
        upstream.let_go();
        assert_eq!(first.await.expect("no panic").status, 201);
        assert!(retry.await.expect("no panic").is_replay());
        // A fallback that refuses keys lets no retry through, so the same change is taken.
        gateway.rewrite(|text| text.replace(FALLBACK, &format!("{FALLBACK}keyed = \"refuse\"\n")));
        in_force(&reload(&gateway).await);
        post(address, path, "running", "{}").await.problem(404, "no-route", "unknown", "never");
        // Once the fallback takes keys again, that retry would run again.
        gateway.rewrite(|text| text.replace("keyed = \"refuse\"\n", ""));
        refused(&reload(&gateway).await, 409, "identity");
        gateway.rewrite(|text| text.replace(FALLBACK, ""));
        in_force(&reload(&gateway).await);
        gateway.rewrite(|text| format!("{FALLBACK}{text}"));
        refused(&reload(&gateway).await, 409, "identity");
        assert_eq!(upstream.executions(), 1, "{path}");
    }
}

/// A start takes such a change with a warning, and no reload is refused because of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_a_start_left_to_the_fallback_hinder_no_reload() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default().more(FALLBACK)).await;
    gateway.terminate().await;
    gateway.ended().await;
    let exact = Settings::route("match = \"exact\"").more(FALLBACK);
    let gateway = gateway.restart(&upstream, exact).await;
    gateway.logs("or not in each spelling").await;
    gateway.rewrite(|text| text.replace("name = \"pay\"", "name = \"pay\"\nttl = \"2h\""));
    in_force(&reload(&gateway).await);
    let key = [("idempotency-key", "k")];
    let answer = request(gateway.address, "POST", "/V1/Charges", &key, "{}").await;
    assert_eq!(answer.header("idempotency-protected"), Some("false"));
}

/// The fallback looks for keys in headers alone, so `keyed = "refuse"` is no protection for keys in bodies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_that_refuses_keys_does_not_see_those_in_bodies() {
    const BODY: &str = "{\"id\":\"running\"}";
    for key in ["{ json = \"/id\" }", "{ first = [{ header = \"x-key\" }, { json = \"/id\" }] }"] {
        for (path, from, to) in [
            ("/v1/refunds", "/v1/{*rest}", "/v1/charges"),
            ("/V1/Charges", "name = \"pay\"", "name = \"pay\"\nmatch = \"exact\""),
        ] {
            let fallback = format!("{FALLBACK}keyed = \"refuse\"\n");
            let upstream = Upstream::start().await;
            let settings = Settings::route(&format!("key = {key}")).more(&fallback);
            let gateway = Gateway::start(&upstream, settings).await;
            let headers = [("content-type", "application/json")];
            let pay = || request(gateway.address, "POST", path, &headers, BODY);
            let first = pay().await;
            assert_eq!(first.status, 201);
            gateway.rewrite(|text| text.replacen(from, to, 1));
            let problem = refused(&reload(&gateway).await, 409, "identity");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains("sees no key in a body"), "{detail}");
            assert!(pay().await.is_replay());
            // Together with the change, such a fallback is no protection either.
            gateway.rewrite(|text| text.replace(&fallback, ""));
            in_force(&reload(&gateway).await);
            gateway.rewrite(|text| format!("{fallback}{text}"));
            refused(&reload(&gateway).await, 409, "identity");
            assert_eq!(upstream.executions(), 1, "{key} {path}");
        }
    }
}

/// The files of a fleet differ for a while. What another gateway has, this one need not have to change the rest.
async fn differences_to_another_gateway_hinder_no_other_change(store: Store) {
    let upstream = Upstream::start().await;
    let start = || Gateway::start(&upstream, Settings::default().store(&store.lines()));
    let (one, other) = (start().await, start().await);
    let more =
        "[[routes]]\nname = \"more\"\npath = \"/more\"\nupstream = \"payments\"\nanonymous = \"one\"\n";
    one.rewrite(|text| format!("{text}\n{more}"));
    in_force(&reload(&one).await);
    let ttl = |text: &str| text.replacen("name = \"pay\"", "name = \"pay\"\nttl = \"2h\"", 1);
    other.rewrite(ttl);
    in_force(&reload(&other).await);
    // A change that would rename what another gateway has is still refused.
    other.rewrite(|text| format!("{text}\n{more}namespace = \"else\"\n"));
    let detail = refused(&reload(&other).await, 409, "identity")["detail"].to_string();
    assert!(
        detail.contains("A reload takes no such change") && detail.contains("accept_identity_change"),
        "{detail}"
    );
    other.rewrite(|text| text.replace("namespace = \"else\"\n", ""));
    in_force(&reload(&other).await);
    // And so is a change that loses what this gateway has.
    other.rewrite(|text| text.replace(more, ""));
    refused(&reload(&other).await, 409, "identity");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_in_redis_hinder_no_other_change() {
    differences_to_another_gateway_hinder_no_other_change(Store::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_in_postgres_hinder_no_other_change() {
    differences_to_another_gateway_hinder_no_other_change(Store::postgres()).await;
}
