//! Bytes that arrive without a request, and requests that must not share a connection with executions.

use std::time::Duration;

use oncegate::call::CallLimit;
use oncegate::config::Upstream;
use oncegate::protocol::Sent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::call::{Caller, PAYLOAD, plain, post};
use super::raw::{Act, End, RawServer};

const MINE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const SECOND: &str = "HTTP/1.1 201 Created\r\ncontent-length: 6\r\n\r\nforged";

/// Bytes after a response are never the response to another request.
#[tokio::test]
async fn a_second_answer_is_never_taken_for_the_next_one() {
    for (first, extra) in [
        (MINE, SECOND),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", SECOND),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", SECOND),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "x"),
        (MINE, "\r\n"),
    ] {
        let act = Act::answer(format!("{first}{extra}"), End::Next);
        let server = RawServer::start(move || act.clone()).await;
        let caller = Caller::patient(server.address);
        let body = caller.post().await.expect("the first answer").body;
        match caller.post().await {
            Ok(answer) => assert_eq!(answer.body, body, "{first:?} {extra:?}"),
            // The client noticed the end of the connection when it was about to write the request.
            Err(error) => assert_eq!(error.sent, Sent::Never, "{error:?}"),
        }
        drop(caller);
        let seen = server.seen().await;
        assert_eq!(seen.requests.len(), seen.accepted, "a connection with bytes on it was used: {first:?}");
    }
}

/// The second response comes later, while the connection is idle.
#[tokio::test]
async fn bytes_on_an_idle_connection_end_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let caller = Caller::patient(listener.local_addr().expect("an address"));
    let first = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post().await }
    });
    let (mut stream, _) = listener.accept().await.expect("a connection");
    answer(&mut stream, MINE).await;
    first.await.expect("no panic").expect("the first answer");
    stream.write_all(SECOND.as_bytes()).await.expect("it is open");
    // The client ends the connection.
    assert!(matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)), "a request was sent");
    let second = tokio::spawn(async move { caller.post().await });
    let (mut stream, _) = listener.accept().await.expect("a new connection");
    answer(&mut stream, MINE).await;
    assert_eq!(second.await.expect("no panic").expect("an answer").status, 204);
}

/// Reads a whole small request and writes this response.
async fn answer(stream: &mut TcpStream, answer: &str) {
    let mut request = Vec::new();
    while !request.ends_with(PAYLOAD.as_bytes()) {
        assert!(stream.read_buf(&mut request).await.expect("a request") > 0);
    }
    stream.write_all(answer.as_bytes()).await.expect("it is open");
}

#[tokio::test]
async fn executions_share_no_connection_with_anything_else() {
    let server = RawServer::start(|| Act::answer(MINE, End::Next)).await;
    let caller = Caller::patient(server.address);
    for limit in [CallLimit::Silence, CallLimit::Whole, CallLimit::Silence, CallLimit::Whole] {
        caller.call(post(PAYLOAD), limit).await.expect("an answer");
    }
    drop(caller);
    let seen = server.seen().await;
    assert_eq!((seen.accepted, seen.requests.len()), (2, 4));
}

#[tokio::test]
async fn an_idle_connection_is_kept_as_long_as_is_said() {
    let idle_timeout = Duration::from_millis(200);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let caller = Caller::new(Upstream { idle_timeout, ..plain(address) });
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post().await }
    });
    let (mut stream, _) = listener.accept().await.expect("a connection");
    answer(&mut stream, MINE).await;
    call.await.expect("no panic").expect("an answer");
    let since = std::time::Instant::now();
    assert_eq!(stream.read(&mut [0; 64]).await.expect("a proper end"), 0);
    assert!(
        since.elapsed() > idle_timeout / 2 && since.elapsed() < 10 * idle_timeout,
        "{:?}",
        since.elapsed()
    );
    drop(caller);
}
