//! A gateway with `serve --upstream`, and then one with a file on the same directory.

use crate::place::{Place, printed};
use crate::process::pay;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_without_a_file_is_replayed_with_one() {
    let place = Place::embedded().await;
    let (gateway, address) = place.quick_start().await.serving();
    let first = pay(address, "/v1/charges", "k").await;
    assert_eq!(first.status, 201);
    gateway.stop().await;

    let charges = |lines| [("create-charge", "/v1/charges", lines)];
    let refusal = place.start("", &charges("scope = [\"authorization\"]")).await.refusal();
    printed(&refusal, "POST /{*rest}");
    let (gateway, address) = place.serve("", &charges("")).await;
    let replay = pay(address, "/v1/charges", "k").await;
    assert!(replay.is_replay() && replay.body == first.body, "{replay:?}");
    assert_eq!(place.upstream.executions(), 1);
    // No route covers the other paths now. This is allowed, and the gateway prints it.
    assert!(gateway.said().contains("streams to the fallback"), "{}", gateway.said());
    gateway.stop().await;

    let (_gateway, address) = place.quick_start().await.serving();
    assert!(pay(address, "/v1/charges", "k").await.is_replay());
}

/// Without a file there is no place for a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_file_a_change_is_accepted_in_the_environment() {
    let place = Place::embedded().await;
    place.serve("", &[("pay", "/{*rest}", "namespace = \"other\"")]).await.0.stop().await;
    let refusal = place.quick_start().await.refusal();
    let line = refusal.lines().find_map(|line| line.trim().strip_prefix("ONCEGATE__STORE__"));
    let (name, value) = line.and_then(|line| line.split_once('=')).expect("a line for the environment");
    let set = (format!("ONCEGATE__STORE__{name}"), value.trim_matches('\'').to_owned());
    place.quick_start_with(&[(&set.0, set.1)]).await.serving().0.stop().await;
}
