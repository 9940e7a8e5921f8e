//! Slow servers, and the limit that ends the call.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::channel::Channel;
use oncegate::call::CallLimit;
use oncegate::protocol::Reason::ResponseTimeout;
use tokio::time::sleep;

use super::call::{Caller, PAYLOAD, assert_maybe_sent, post};
use super::raw::{Act, End, RawServer, Read};

const LIMIT: Duration = Duration::from_millis(300);
/// A pause well below the limit. The sum of the pauses exceeds the limit.
const DRIP: Duration = Duration::from_millis(10);
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n";

fn answer() -> String {
    format!("{HEAD}{}", "x".repeat(60))
}

/// Checks that the call ends at its limit, and that the connection ends with it.
async fn times_out(act: Act, limit: CallLimit) {
    let server = RawServer::doing([act]).await;
    let started = Instant::now();
    assert_maybe_sent(
        Caller::impatient(server.address, LIMIT).call(post(PAYLOAD), limit).await,
        &[ResponseTimeout],
    );
    assert!(started.elapsed() >= LIMIT, "too early: {:?}", started.elapsed());
    let seen = server.seen().await;
    assert_eq!((seen.accepted, seen.requests.len()), (1, 1));
}

#[tokio::test]
async fn silence_ends_either_kind_of_call() {
    for limit in [CallLimit::Whole, CallLimit::Silence] {
        times_out(Act::no_answer(Read::Whole, End::Hold), limit).await;
        times_out(Act::answer("HTTP/1.1 200", End::Hold), limit).await;
        times_out(Act::answer(HEAD, End::Hold), limit).await;
        times_out(Act::answer(format!("{HEAD}half"), End::Hold), limit).await;
        times_out(Act::answer("HTTP/1.1 100 Continue\r\n\r\n", End::Hold), limit).await;
    }
}

#[tokio::test]
async fn a_dripping_answer_is_held_to_the_deadline_of_the_whole() {
    times_out(Act { drip: DRIP, ..Act::answer(answer(), End::Hold) }, CallLimit::Whole).await;
    times_out(Act { drip: DRIP, ..Act::answer(format!("{HEAD:0<99}"), End::Hold) }, CallLimit::Whole).await;
}

#[tokio::test]
async fn an_endless_answer_is_held_to_the_deadline_of_the_whole() {
    let endless = Act::answer("HTTP/1.1 200 OK\r\n\r\n", End::Repeat(&[b'x'; 64 * 1024]));
    times_out(endless, CallLimit::Whole).await;
}

#[tokio::test]
async fn an_unprotected_answer_may_take_as_long_as_it_goes_on() {
    let head = Act::answer(answer(), End::Close);
    // The head counts as one wait, and only the body arrives slowly.
    let server = RawServer::start(move || Act { drip: DRIP, ..head.clone() }).await;
    let started = Instant::now();
    let caller = Caller::impatient(server.address, Duration::from_millis(700));
    let answered = caller.call(post(PAYLOAD), CallLimit::Silence).await.expect("an answer");
    assert_eq!(answered.body.len(), 60);
    assert!(started.elapsed() > Duration::from_millis(900), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_unprotected_upload_may_take_as_long_as_it_goes_on() {
    let server = RawServer::doing([Act::answer(answer(), End::Close)]).await;
    let caller = Caller::impatient(server.address, LIMIT);
    let (mut sender, body) = Channel::<Bytes, axum::Error>::new(1);
    let mut request = post(Body::new(body));
    request.headers_mut().insert("content-length", 50.into());
    let upload = tokio::spawn(async move {
        for _ in 0..50 {
            sleep(DRIP).await;
            sender.send_data(Bytes::from_static(b"x")).await.expect("somebody reads");
        }
    });
    let started = Instant::now();
    let answered = caller.call(request, CallLimit::Silence).await.expect("an answer");
    assert_eq!(answered.status, 200);
    assert!(started.elapsed() > LIMIT, "{:?}", started.elapsed());
    upload.await.expect("all was sent");
}

/// A server that stops reading in the middle of a large request has read a part of it.
#[tokio::test]
async fn a_request_that_is_not_taken_times_out_as_maybe_sent() {
    let server = RawServer::doing([Act {
        pause: Duration::from_secs(1),
        ..Act::no_answer(Read::Bytes(10_000), End::Close)
    }])
    .await;
    let caller = Caller::impatient(server.address, LIMIT);
    let large = post(vec![b'x'; 32 * 1024 * 1024]);
    assert_maybe_sent(caller.call(large, CallLimit::Whole).await, &[ResponseTimeout]);
    assert_eq!(server.seen().await.requests[0].len(), 10_000);
}
