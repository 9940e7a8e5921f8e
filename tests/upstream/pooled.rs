//! Reused connections, and servers that close them between two requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oncegate::protocol::Sent;

use super::call::Caller;
use super::raw::{Act, End, RawServer, Read};

const ANSWER: &str = "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = RawServer::start(|| Act::answer(ANSWER, End::Next)).await;
    let caller = Caller::patient(server.address);
    for _ in 0..5 {
        caller.post().await.expect("an answer");
    }
    drop(caller);
    let seen = server.seen().await;
    assert_eq!((seen.accepted, seen.requests.len()), (1, 5));
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_nothing() {
    for end in [End::Close, End::Reset] {
        let mut acts = [Act::answer(ANSWER, end), Act::answer(ANSWER, End::Close)].into_iter();
        let server = RawServer::start(move || acts.next().expect("two requests")).await;
        let caller = Caller::patient(server.address);
        // After a reset, the response itself may be lost. After the response, the client soon notices the
        // end.
        let first = caller.post().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let second = caller.post().await;
        assert!(first.is_ok_and(|first| first.body == "ok"));
        assert_eq!(second.expect("over a new connection").body, "ok");
        drop(caller);
        assert_eq!(server.seen().await.accepted, 2);
    }
}

/// The server closes at the moment when the next request is written. The client cannot always know whether
/// the server read it. It reports "never sent" only if the server did not, and never sends the request again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_closed_as_the_request_is_written_is_not_guessed_about() {
    let (mut answers, mut failures) = (0, 0);
    for round in 0..400_u64 {
        let (end, requests) =
            ([End::Close, End::Reset][round as usize % 2].clone(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&requests);
        let server = RawServer::start(move || match count.fetch_add(1, Ordering::SeqCst) {
            0 => Act::answer(ANSWER, End::Next),
            1 => Act { pause: Duration::from_micros(round), ..Act::no_answer(Read::Bytes(0), end.clone()) },
            _ => Act::answer(ANSWER, End::Next),
        })
        .await;
        let caller = Caller::patient(server.address);
        caller.post().await.expect("an answer");
        spin(Duration::from_micros(round));
        let second = caller.post().await;
        drop(caller);
        let seen = server.seen().await;
        match second {
            Ok(_) => {
                assert_eq!(seen.requests.len(), 2);
                answers += 1;
            }
            Err(error) => {
                assert_eq!(seen.requests.len(), 1, "{:?} was sent again: {error:?}", error.sent);
                assert!(matches!(error.sent, Sent::Never | Sent::Maybe));
                failures += 1;
            }
        }
    }
    assert!(answers > 0 && failures > 0, "the moment was never met: {answers} answers, {failures} failures");
}

/// Waits without giving up the thread, for times that are too short for a timer.
fn spin(time: Duration) {
    let until = std::time::Instant::now() + time;
    while std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
}
