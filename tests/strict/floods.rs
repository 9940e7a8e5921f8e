//! HTTP/2 frames that cost their sender nothing, by the hundred thousand: the connection ends, memory stays
//! flat, and other clients are served meanwhile.

use crate::Bench;
use crate::frames::*;
use crate::harness::Http2;

/// The most rounds that are sent.
const ROUNDS: u32 = 100_000;
/// The most that the memory of the process may grow, in bytes.
const FLAT: u64 = 24 << 20;

/// Sends rounds until the server ends the connection. Returns the number of rounds.
async fn flood(bench: &Bench, what: &str, first: Vec<u8>, round: impl Fn(u32) -> Vec<u8>) -> u32 {
    let bystander = Http2::open(bench.gateway.address).await;
    let before = bench.gateway.memory();
    let mut connection = Frames::open(bench.gateway.address).await;
    connection.send(&first).await;
    let mut sent = 0;
    while sent < ROUNDS {
        let piece: Vec<u8> = (sent..sent + 100).flat_map(&round).collect();
        if !connection.send(&piece).await {
            break;
        }
        sent += 100;
    }
    connection.closed().await;
    let grown = bench.gateway.memory().saturating_sub(before);
    assert!(grown < FLAT, "{what}: {grown} bytes more");
    assert_eq!(bystander.post("/v1/charges", &what.replace(' ', "-"), "{}").await.status, 201, "{what}");
    sent
}

#[tokio::test]
async fn floods_end_the_connection_and_leave_memory_flat() {
    let bench = Bench::start().await;
    let open = || post(1, END_HEADERS, &[("content-length", "9")]);
    let ping = frame(PING, 0, 0, [0; 8]);
    flood(&bench, "pings", Vec::new(), |_| ping.clone()).await;
    flood(&bench, "settings", Vec::new(), |_| frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 9])).await;
    flood(&bench, "priorities", Vec::new(), |_| frame(PRIORITY, 0, 1, [0, 0, 0, 3, 1])).await;
    flood(&bench, "unknown frames", Vec::new(), |_| frame(0xfa, 0, 0, [0; 64])).await;
    flood(&bench, "empty data", open(), |_| frame(DATA, 0, 1, "")).await;
    flood(&bench, "padding", open(), |_| frame(DATA, PADDED, 1, [[3; 1], [0; 1], [0; 1], [0; 1]].concat()))
        .await;
    flood(&bench, "continuations", post(1, 0, &[]), |_| frame(CONTINUATION, 0, 1, block(&[("x", "y")])))
        .await;
    flood(&bench, "empty continuations", post(1, 0, &[]), |_| frame(CONTINUATION, 0, 1, "")).await;
    flood(&bench, "resets", Vec::new(), |_| frame(RST_STREAM, 0, 1, [0; 4])).await;
    assert!(!bench.gateway.log().contains("panic"));
}

#[tokio::test]
async fn streams_reset_as_fast_as_they_are_opened_end_the_connection() {
    let bench = Bench::start().await;
    let before = bench.upstream.executions();
    let opened = |number: u32| {
        let stream = 2 * number + 1;
        let head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, block(&head));
        [head, frame(RST_STREAM, 0, stream, [0, 0, 0, 8])].concat()
    };
    flood(&bench, "rapid reset", Vec::new(), opened).await;
    // The requests of the bystander, and the resets that the server tolerates.
    assert!(
        bench.upstream.executions() - before <= 121,
        "{} requests came through",
        bench.upstream.executions()
    );
}
