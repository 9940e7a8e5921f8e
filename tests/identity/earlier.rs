//! A store of the release before entries existed: it holds records only.
//!
//! Its records are made with the defaults of that release written out. Under `match = "exact"`, their bytes
//! are equal to those that the release stored.

use std::time::Duration;

use crate::place::{Place, on_every_store, printed};
use crate::process::pay;

on_every_store!(
    records_of_an_earlier_release_are_kept_with_the_printed_lines,
    tombstones_of_an_earlier_release_count,
    a_change_from_an_earlier_release_is_accepted,
    the_namespace_that_its_file_named_is_printed,
);

const DEFAULTS: &str = "namespace = \"create-charge\"\nscope = [\"authorization\"]\n";

fn charges(lines: &str) -> [(&str, &str, &str); 1] {
    [("create-charge", "/v1/charges", lines)]
}

/// Makes a store in which an earlier release has the record of `k`.
async fn made_by_an_earlier_release(place: &Place, lines: &str) {
    let lines = format!("{lines}\nmatch = \"exact\"");
    let (gateway, address) = place.serve("", &charges(&lines)).await;
    assert_eq!(pay(address, "/v1/charges", "k").await.status, 201);
    gateway.stop().await;
    place.forget_names().await;
}

async fn records_of_an_earlier_release_are_kept_with_the_printed_lines(place: Place) {
    made_by_an_earlier_release(&place, DEFAULTS).await;
    let refusal = place.start("", &charges("")).await.refusal();
    for part in
        ["an earlier release", "\n    namespace = \"create-charge\"\n", "\n    scope = [\"authorization\"]\n"]
    {
        assert!(refusal.contains(part), "{part:?} is not in {refusal}");
    }
    printed(&refusal, "POST /v1/charges");
    // The printed lines, unchanged.
    let kept: Vec<&str> = refusal.lines().filter(|line| line.starts_with("    ")).map(str::trim).collect();
    let (gateway, address) = place.serve("", &charges(&kept.join("\n"))).await;
    let replay = pay(address, "/v1/charges", "k").await;
    assert!(replay.is_replay() && place.upstream.executions() == 1, "{replay:?}");
    gateway.stop().await;
    // From now on the store itself has the entries.
    let refusal = place.start("", &charges("")).await.refusal();
    assert!(!refusal.contains("an earlier release"), "{refusal}");
}

async fn tombstones_of_an_earlier_release_count(place: Place) {
    let short = format!("{DEFAULTS}ttl = \"200ms\"\n");
    let lines = format!("{short}match = \"exact\"");
    let (gateway, address) = place.serve("", &charges(&lines)).await;
    pay(address, "/v1/charges", "k").await;
    while pay(address, "/v1/charges", "k").await.status != 410 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.stop().await;
    place.forget_names().await;
    place.start("", &charges("")).await.refusal();
    let (_gateway, address) = place.serve("", &charges(DEFAULTS)).await;
    pay(address, "/v1/charges", "k").await.problem(410, "key-expired", "yes", "never");
}

async fn a_change_from_an_earlier_release_is_accepted(place: Place) {
    made_by_an_earlier_release(&place, DEFAULTS).await;
    let entry = printed(&place.start("", &charges("")).await.refusal(), "POST /v1/charges");
    let accept = format!("accept_identity_change = [\"{entry}\"]");
    let (gateway, address) = place.serve(&accept, &charges("")).await;
    assert_eq!((pay(address, "/v1/charges", "k").await.status, place.upstream.executions()), (201, 2));
    gateway.stop().await;
    place.serve("", &charges("")).await.0.stop().await;
    place.start(&accept, &charges("namespace = \"third\"")).await.refusal();
}

async fn the_namespace_that_its_file_named_is_printed(place: Place) {
    made_by_an_earlier_release(&place, "namespace = \"money\"\nscope = [\"authorization\"]").await;
    let refusal = place.start("", &charges("")).await.refusal();
    assert!(refusal.contains("\n    namespace = \"money\"\n"), "{refusal}");
    place.serve("", &charges("namespace = \"money\"\nscope = [\"authorization\"]")).await.0.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_has_nothing_to_keep() {
    let place = Place::postgres().await;
    place.serve("", &charges("")).await.0.stop().await;
    place.forget_names().await;
    place.serve("", &charges("namespace = \"other\"")).await.0.stop().await;
}
