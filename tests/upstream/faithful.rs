//! Actions that the client never takes: it does not follow, decompress, add or repeat.

use axum::body::Body;
use http::Request;
use oncegate::call::CallLimit;

use super::call::{Caller, PAYLOAD, post};
use super::raw::{Act, End, RawServer};

#[tokio::test]
async fn a_redirect_is_passed_on() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let other = RawServer::doing([]).await;
        let redirect =
            format!("HTTP/1.1 {status}\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", other.address);
        let server = RawServer::doing([Act::answer(&redirect, End::Close)]).await;
        let answer = Caller::patient(server.address).post().await.expect("an answer");
        assert_eq!(answer.status.as_str(), &status[..3]);
        assert_eq!(answer.headers["location"], format!("http://{}/", other.address));
        assert_eq!(server.seen().await.requests.len(), 1);
        assert_eq!(other.seen().await.accepted, 0);
    }
}

#[tokio::test]
async fn a_compressed_body_stays_compressed() {
    let compressed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not really";
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", compressed.len())
            .into_bytes();
    answer.extend_from_slice(compressed);
    let server = RawServer::doing([Act::answer(answer, End::Close)]).await;
    let answer = Caller::patient(server.address).post().await.expect("an answer");
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert_eq!(&*answer.body, compressed);
}

#[tokio::test]
async fn a_request_goes_out_as_it_came() {
    let server = RawServer::doing([Act::answer("HTTP/1.1 204 No Content\r\n\r\n", End::Close)]).await;
    let address = server.address;
    Caller::patient(address).post().await.expect("an answer");
    let expected = format!(
        "POST /v1/charges HTTP/1.1\r\nidempotency-key: k1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n{PAYLOAD}",
        PAYLOAD.len()
    );
    let seen = server.seen().await;
    assert_eq!(String::from_utf8_lossy(&seen.requests[0]), expected);
}

#[tokio::test]
async fn the_target_is_the_upstream_whatever_the_request_names() {
    let server = RawServer::doing([Act::answer("HTTP/1.1 204 No Content\r\n\r\n", End::Close)]).await;
    let absolute = Request::builder().method("POST").uri("http://elsewhere.invalid/a%2Fb?c=d%20e");
    let absolute = absolute.header("host", "elsewhere.invalid").body(Body::empty()).expect("a request");
    Caller::patient(server.address).call(absolute, CallLimit::Whole).await.expect("an answer");
    let (address, seen) = (server.address, server.seen().await);
    let request = String::from_utf8_lossy(&seen.requests[0]).into_owned();
    assert!(request.starts_with("POST /a%2Fb?c=d%20e HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
    assert!(!request.contains("elsewhere"), "{request}");
}

/// Only the caller may act on a status that asks for another attempt.
#[tokio::test]
async fn no_status_makes_the_client_repeat_a_request() {
    for status in ["408 Request Timeout", "421 Misdirected", "425 Too Early", "429 Slow", "503 Later"] {
        let answer = format!("HTTP/1.1 {status}\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n");
        let server = RawServer::doing([Act::answer(&answer, End::Close)]).await;
        let answered = Caller::patient(server.address).call(post(PAYLOAD), CallLimit::Whole).await;
        assert_eq!(answered.expect("an answer").status.as_str(), &status[..3]);
        let seen = server.seen().await;
        assert_eq!((seen.accepted, seen.requests.len()), (1, 1));
    }
}
