//! `serve --upstream`, and then a file over the same directory.

use crate::place::{Place, printed};
use crate::process::pay;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_paid_without_a_file_is_replayed_with_one() {
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
    // Nothing covers the other paths now, which is allowed and said.
    assert!(gateway.said().contains("streams to the fallback"), "{}", gateway.said());
    gateway.stop().await;

    let (_gateway, address) = place.quick_start().await.serving();
    assert!(pay(address, "/v1/charges", "k").await.is_replay());
}
