//! An entry lives as long as a record made under it can, by the store's clock.

use std::time::{Duration, Instant};

use crate::place::{Place, on_every_store};
use crate::process::{Started, pay};

on_every_store!(an_entry_ends_with_its_records_and_not_while_it_is_served);

async fn an_entry_ends_with_its_records_and_not_while_it_is_served(place: Place) {
    let short = "ttl = \"100ms\"\ntombstone_ttl = \"100ms\"\nlease = \"100ms\"";
    let file = |lines: &str| {
        let text = place.file("", &[("pay", "/v1/charges", lines)]);
        let upstream = "[upstreams.payments]\n";
        text.replace(
            upstream,
            &format!("{upstream}response_timeout = \"200ms\"\nconnect_timeout = \"100ms\"\n"),
        )
    };
    let start = |lines: &str| crate::process::Process::with_file(&file(lines), place.path()).started();
    let (gateway, address) = start(short).await.serving();
    pay(address, "/v1/charges", "k").await;
    // Longer than any record lives, and longer than the entry was written for.
    tokio::time::sleep(Duration::from_secs(5)).await;
    gateway.stop().await;
    let stopped = Instant::now();
    let changed = format!("{short}\nnamespace = \"other\"");
    start(&changed).await.refusal();
    loop {
        match start(&changed).await {
            Started::Serving(gateway, _) => break gateway.stop().await,
            ended => drop(ended.refusal()),
        }
        assert!(stopped.elapsed() < Duration::from_secs(20), "it never ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(stopped.elapsed() > Duration::from_millis(600), "a record can live longer than that");
}
