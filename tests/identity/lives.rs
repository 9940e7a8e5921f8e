//! An entry lives as long as a record under it can live, by the clock of the store.

use std::time::{Duration, Instant};

use crate::harness::{Connection, request_bytes};
use crate::place::{Place, on_every_store};
use crate::process::{Process, Started, pay};

on_every_store!(
    an_entry_ends_with_its_records_and_not_while_it_is_served,
    an_execution_that_was_cut_off_keeps_its_entry,
);

const SHORT: &str = "ttl = \"400ms\"\ntombstone_ttl = \"400ms\"\nlease = \"400ms\"";

/// Starts a gateway with records that live for a short time.
async fn start(place: &Place, more: &str) -> Started {
    let lines = format!("{SHORT}\n{more}");
    let text = place.file("", &[("pay", "/v1/charges", &lines)]);
    let upstream = "[upstreams.payments]\n";
    let text = text
        .replace(upstream, &format!("{upstream}response_timeout = \"200ms\"\nconnect_timeout = \"100ms\"\n"));
    Process::with_file(&text, place.path()).started().await
}

const CHANGED: &str = "namespace = \"other\"";

/// Tries to start the changed gateway until it serves.
async fn until_it_ends(place: &Place) {
    let began = Instant::now();
    loop {
        match start(place, CHANGED).await {
            Started::Serving(gateway, _) => return gateway.stop().await,
            ended => drop(ended.refusal()),
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it never ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn an_entry_ends_with_its_records_and_not_while_it_is_served(place: Place) {
    let (gateway, address) = start(&place, "").await.serving();
    pay(address, "/v1/charges", "k").await;
    // Longer than any record lives, and longer than the entry was written for.
    tokio::time::sleep(Duration::from_secs(5)).await;
    gateway.stop().await;
    let stopped = Instant::now();
    start(&place, CHANGED).await.refusal();
    until_it_ends(&place).await;
    assert!(stopped.elapsed() > Duration::from_millis(1500), "a record can live longer than that");
}

/// The record ages only after a gateway runs again.
async fn an_execution_that_was_cut_off_keeps_its_entry(place: Place) {
    let (mut gateway, address) = start(&place, "").await.serving();
    place.upstream.hold();
    let paying = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        let headers = [("idempotency-key", "k"), ("authorization", "Bearer a")];
        connection.send(request_bytes("POST", "/v1/charges", &headers, b"a")).await;
        connection.try_answer().await
    });
    place.upstream.reached(1).await;
    gateway.signal("-KILL").await;
    assert_eq!((gateway.ended().await, paying.await.expect("a client")), (None, None));
    place.upstream.let_go();
    // Without the record, the entry would have ended by now.
    tokio::time::sleep(Duration::from_secs(5)).await;
    start(&place, CHANGED).await.refusal();
    let (gateway, address) = start(&place, "").await.serving();
    while pay(address, "/v1/charges", "k").await.status != 201 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.stop().await;
    until_it_ends(&place).await;
}
