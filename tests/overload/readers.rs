//! Memory for clients that send requests and do not read the responses, compared with the limit that
//! `oncegate check` prints. Without the budget for outgoing responses, the replays of this test took 99 MB
//! where 69 were allowed. Without a bound on the bytes that are read from an upstream at once, a stream took
//! 1.1 MiB instead of 0.3.

use std::sync::Arc;

use http::Response;

use crate::harness::{Answer, Gateway, Settings, Upstream, post, request_bytes};
use crate::narrow::{ask, bound, keyed};

/// The size of every response: more than the system of a client buffers for it.
const ANSWER: usize = 6 << 20;
/// The number of clients that do not read a stored response.
const READERS: usize = 20;
/// The number of clients that do not read a streamed response.
const STREAMS: usize = 128;

/// Starts an upstream that answers with `ANSWER` bytes, each equal to the request's number.
async fn upstream() -> Arc<Upstream> {
    Upstream::answering(|seen| Response::new(vec![seen.number as u8; ANSWER].into())).await
}

/// Starts a gateway with room for one response of an execution, and for one that is being read.
async fn gateway(upstream: &Upstream) -> Gateway {
    let route = Settings::route("max_response_body = \"6MiB\"\nkey = { required = true }");
    let limits = "max_connections = 32\nmax_in_flight = 1\nrequest_body_limit = \"4KiB\"";
    Gateway::start(upstream, route.server(limits)).await
}

/// Returns the response to an operation, once there is room for it.
async fn answered(gateway: &Gateway, key: &str) -> Answer {
    loop {
        let answer = post(gateway.address, "/v1/charges", key, "a").await;
        if answer.status != 503 {
            return answer;
        }
        answer.problem(503, "overloaded", "unknown", "same-key");
    }
}

/// A stored response is read from the store for each client, so only the number of clients bounds the memory
/// for all of them.
#[tokio::test]
async fn unread_replays_stay_inside_the_bound() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    let keys: Vec<_> = (0..READERS).map(|number| format!("k-{number}")).collect();
    for key in &keys {
        assert_eq!(answered(&gateway, key).await.status, 200);
    }
    // From here on, the store and the allocator already hold the memory that they keep for later use.
    for key in &keys {
        assert!(answered(&gateway, key).await.is_replay());
    }
    let before = gateway.memory();
    let mut held = Vec::new();
    for key in &keys {
        held.push(ask(gateway.address, &keyed(key)).await);
    }
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < bound(&gateway), "{READERS} unread replays took {grown} bytes");
    let (mut told, shed): (Vec<_>, Vec<_>) = held.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!(told.len(), 1, "as many as have room");
    for (_, mut connection) in shed {
        connection.answer().await.problem(503, "overloaded", "unknown", "same-key");
    }
    assert!(told[0].1.answer().await.is_replay());
    assert!(answered(&gateway, &keys[READERS - 1]).await.is_replay(), "there is room again");
    assert_eq!(upstream.executions(), READERS);
}

/// The response of an execution is always passed on. Without room in the budget, it keeps the slot of its
/// execution.
#[tokio::test]
async fn unread_first_answers_keep_their_slots() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    let (_, mut in_the_budget) = ask(gateway.address, &keyed("k-1")).await;
    let (_, mut in_its_place) = ask(gateway.address, &keyed("k-2")).await;
    let told = post(gateway.address, "/v1/charges", "more", "a").await;
    told.problem(503, "overloaded", "unknown", "same-key");
    assert_eq!((upstream.executions(), gateway.record_count().await), (2, 2));
    for (number, connection) in [(1, &mut in_the_budget), (2, &mut in_its_place)] {
        let answer = connection.answer().await;
        assert!(!answer.is_replay() && answer.body == vec![number; ANSWER]);
    }
    assert_eq!(answered(&gateway, "more").await.status, 200);
    assert_eq!(upstream.executions(), 3);
}

/// The gateway reads no more of a streamed response than the client takes.
#[tokio::test]
async fn unread_streams_stay_inside_the_bound() {
    let upstream = upstream().await;
    let limits = format!("max_connections = {STREAMS}\nmax_in_flight = 1\nrequest_body_limit = \"4KiB\"");
    let settings = Settings::route("max_response_body = \"4KiB\"").server(&limits);
    let gateway = Gateway::start(&upstream, settings).await;
    let before = gateway.memory();
    let mut held = Vec::new();
    for _ in 0..STREAMS {
        let (status, connection) =
            ask(gateway.address, &request_bytes("POST", "/v1/charges", &[], b"a")).await;
        assert_eq!(status, 200);
        held.push(connection);
    }
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < bound(&gateway), "{STREAMS} unread streams took {grown} bytes");
    for mut connection in held.split_off(STREAMS - 3) {
        assert_eq!(connection.answer().await.body.len(), ANSWER);
    }
}
