//! The meaning of the upstream's answers: by class of status, and by a header of the upstream's own.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Answer, Gateway, Settings, Upstream, post};

const WORD: &str = "release_when = [{ header = \"x-executed\", value = \"no\" }, \
                    { header = \"Stripe-Should-Retry\", value = \"true\" }]";

/// Starts an upstream that answers with the status in the first line of the body, and the headers in its
/// other lines.
async fn obedient() -> Arc<Upstream> {
    Upstream::answering(|seen| {
        let text = std::str::from_utf8(&seen.body).expect("text").to_owned();
        let mut lines = text.lines();
        let mut response = Response::builder().status(lines.next().expect("a status"));
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header");
            response = response.header(name, value);
        }
        response.body(Full::from(Bytes::from("said"))).expect("a response")
    })
    .await
}

async fn said(gateway: &Gateway, key: &str, answer: &str) -> Answer {
    post(gateway.address, "/v1/charges", key, answer).await
}

/// Returns the outcome that an answer shows: `completed` if it is the stored one.
fn outcome(answer: &Answer) -> &str {
    match (answer.header("idempotency-outcome"), answer.header("idempotency-expires")) {
        (Some(outcome), None) => outcome,
        (None, Some(_)) => "completed",
        other => panic!("{other:?}: {answer:?}"),
    }
}

#[tokio::test]
async fn a_class_stands_for_its_statuses_and_a_single_status_counts_before_it() {
    let upstream = obedient().await;
    let route = "outcomes = { release = [\"5xx\", 404], unknown = [503, \"4xx\"] }";
    let gateway = Gateway::start(&upstream, Settings::route(route)).await;
    for (status, expected) in [
        ("200", "completed"),
        ("303", "completed"),
        ("400", "unknown"),
        ("404", "released"),
        ("429", "unknown"),
        ("500", "released"),
        ("503", "unknown"),
        ("599", "released"),
    ] {
        let before = upstream.executions();
        for again in [false, true] {
            let answer = said(&gateway, status, status).await;
            match (expected, again) {
                ("unknown", true) => {
                    answer.problem(409, "outcome-unknown", "unknown", "never");
                }
                _ => {
                    assert_eq!((answer.status.to_string().as_str(), outcome(&answer)), (status, expected));
                    assert_eq!(answer.is_replay(), expected == "completed" && again, "{status}");
                }
            }
        }
        let runs = if expected == "released" { 2 } else { 1 };
        assert_eq!(upstream.executions() - before, runs, "{status}");
    }
    assert_eq!(gateway.records("completed").await.len(), 2);
    assert_eq!(gateway.records("unknown").await.len(), 3);
    assert_eq!(gateway.record_count().await, 5);
}

/// A success that is listed as a release is passed on, and never stored.
#[tokio::test]
async fn a_released_success_is_not_stored() {
    let upstream = obedient().await;
    let gateway = Gateway::start(&upstream, Settings::route("outcomes = { release = [\"2xx\"] }")).await;
    for _ in 0..2 {
        let answer = said(&gateway, "k", "201").await;
        assert_eq!((answer.status, outcome(&answer), answer.text()), (201, "released", "said"));
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (2, 0));
}

#[tokio::test]
async fn the_upstreams_own_word_counts_before_the_status() {
    let upstream = obedient().await;
    let gateway = Gateway::start(&upstream, Settings::route(WORD)).await;
    for status in [200, 302, 402, 409, 429, 500, 503] {
        for word in ["X-Executed: no", "stripe-should-retry: true", "x-executed: no\nx-executed: no"] {
            let answer = said(&gateway, "k", &format!("{status}\n{word}")).await;
            assert_eq!((answer.status, outcome(&answer)), (status, "released"), "{word}");
            assert_eq!(gateway.record_count().await, 0, "{status} {word}");
        }
    }
    // The key is free for the same request and for another one. Its own answer is stored.
    let answer = said(&gateway, "k", "500").await;
    assert_eq!(outcome(&answer), "completed");
    assert!(said(&gateway, "k", "500").await.is_replay());
}

/// A key that was freed by mistake is paid twice, so a word is believed only where nothing speaks against it.
#[tokio::test]
async fn a_word_with_anything_else_beside_it_is_not_believed() {
    let upstream = obedient().await;
    let gateway = Gateway::start(&upstream, Settings::route(WORD)).await;
    for (number, word) in [
        "x-executed: yes",
        "x-executed: NO",
        "x-executed: no, no",
        "x-executed: no\nx-executed: yes",
        "x-executed: yes\nx-executed: no",
        "x-executed: no;q=1",
        "x-executed: ",
        "x_executed: no",
        "stripe-should-retry: no",
        "connection: x-executed\nx-executed: no",
        "connection: close, X-Executed\nx-executed: no",
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k-{number}");
        let answer = said(&gateway, &key, &format!("500\n{word}")).await;
        assert_eq!((answer.status, outcome(&answer)), (500, "completed"), "{word}");
        assert!(said(&gateway, &key, &format!("500\n{word}")).await.is_replay(), "{word}");
    }
}

#[tokio::test]
async fn no_word_counts_unless_the_route_says_so() {
    let upstream = obedient().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let answer = said(&gateway, "k", "409\nstripe-should-retry: true").await;
    assert_eq!(outcome(&answer), "completed");
}

/// Starts a gateway in front of an upstream that answers each request with these bytes, and closes.
async fn before(bytes: String, upstream: &str) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                // The gateway sends small requests in one piece.
                if stream.read(&mut [0; 64 * 1024]).await.is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(bytes.as_bytes()).await;
                }
            });
        }
    });
    let settings = Settings::route(WORD).upstream(upstream);
    let unused = Upstream::start().await;
    Gateway::start(&unused, Settings { address: Some(address), ..settings }).await
}

/// A trailer comes after an answer that may be passed on already, and proxies drop it.
#[tokio::test]
async fn a_trailer_releases_nothing() {
    let head = "HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\ntrailer: x-executed\r\n\r\n";
    let gateway = before(format!("{head}2\r\nok\r\n0\r\nx-executed: no\r\n\r\n"), "").await;
    let answer = said(&gateway, "k", "a").await;
    assert_eq!((answer.status, outcome(&answer), answer.text()), (500, "completed", "ok"));
    assert!(said(&gateway, "k", "a").await.is_replay());
}

/// A head that is given up has no readable word, so its status decides.
#[tokio::test]
async fn a_head_that_cannot_be_passed_on_has_no_word() {
    let head = format!("HTTP/1.1 500 Oh\r\nx-executed: no\r\nx: {}\r\n", "y".repeat(5000));
    let gateway =
        before(format!("{head}content-length: 2\r\n\r\nok"), "response_head_limit = \"1KiB\"").await;
    said(&gateway, "k", "a").await.problem(502, "answer-unusable", "yes", "never");
    assert_eq!(gateway.records("completed").await.len(), 1);
}

/// A release frees the key even if the answer is too large to be kept.
#[tokio::test]
async fn a_word_on_an_answer_that_streams_releases() {
    let body = "y".repeat(2 << 20);
    let head = format!("HTTP/1.1 500 Oh\r\nx-executed: no\r\ncontent-length: {}\r\n\r\n", body.len());
    let gateway = before(head + &body, "").await;
    let answer = said(&gateway, "k", "a").await;
    assert_eq!((answer.status, outcome(&answer), answer.text()), (500, "released", &*body));
    assert_eq!(gateway.record_count().await, 0);
}

/// After an execution without a known outcome, the upstream's word that a later one did not act settles
/// nothing. A client that must not read an unknown outcome as an answer gets a problem instead of a 200 or 500.
#[tokio::test]
async fn a_word_after_an_undecided_execution_is_no_success() {
    let upstream = Upstream::answering(|seen| {
        let status = [503, 200, 500, 429][seen.number - 1];
        let word = if status == 503 { "unknown" } else { "no" };
        let response = Response::builder().status(status).header("x-executed", word);
        response.body(Full::from(Bytes::from("{\"id\":\"pi_1\"}"))).expect("a response")
    })
    .await;
    let route = "on_unknown = \"retry\"\nproblems = \"stripe\"\n\
                 outcomes = { release = [429], unknown = [503] }\n\
                 release_when = [{ header = \"x-executed\", value = \"no\" }]";
    let gateway = Gateway::start(&upstream, Settings::route(route)).await;
    let lost = post(gateway.address, "/v1/charges", "k", "a").await;
    assert_eq!((lost.status, lost.json()["error"]["code"].as_str()), (504, Some("outcome_unknown")));
    for _ in [200, 500] {
        let told = post(gateway.address, "/v1/charges", "k", "a").await;
        assert_eq!((told.status, told.json()["error"]["code"].as_str()), (504, Some("outcome_unknown")));
    }
    let refused = post(gateway.address, "/v1/charges", "k", "a").await;
    assert_eq!((refused.status, refused.header("idempotency-outcome")), (429, Some("unknown")));
    assert_eq!(upstream.executions(), 4);
}
