//! The length and the target of a request, as the client sends them.

use axum::body::Body;
use http::{Method, Request};
use oncegate::call::CallLimit;

use super::call::{Caller, post, request};
use super::raw::{Act, End, RawServer};

/// Returns the text of a request as the server read it.
async fn sent(request: Request<Body>) -> String {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0000\r\n\r\n";
    let server = RawServer::doing([Act::answer(answer, End::Close)]).await;
    let answer = Caller::patient(server.address).call(request, CallLimit::Silence).await.expect("an answer");
    assert_eq!(answer.headers["content-length"], "0");
    let seen = server.seen().await;
    String::from_utf8(seen.requests[0].clone()).expect("text")
}

fn lengths(request: &str) -> Vec<&str> {
    request.split("\r\n").filter_map(|line| line.strip_prefix("content-length: ")).collect()
}

#[tokio::test]
async fn a_length_goes_out_in_canonical_digits() {
    for (said, body) in [("0300", 300), ("035", 35), ("00", 0), ("0", 0), ("7", 7)] {
        let mut asked = post("x".repeat(body));
        asked.headers_mut().insert("content-length", said.parse().expect("a value"));
        assert_eq!(lengths(&sent(asked).await), [body.to_string()], "{said}");
    }
}

#[tokio::test]
async fn an_empty_request_says_so_where_a_body_is_meant() {
    for (method, said) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false)]
    {
        let sent =
            sent(request(Method::from_bytes(method.as_bytes()).expect("a method"), Body::empty())).await;
        assert_eq!(lengths(&sent), if said { vec!["0"] } else { vec![] }, "{method}");
        assert!(!sent.contains("transfer-encoding"), "{sent}");
    }
}

#[tokio::test]
async fn a_query_behind_an_authority_gets_a_path() {
    for (target, expected) in [
        ("http://elsewhere?q", "/?q"),
        ("http://elsewhere", "/"),
        ("http://elsewhere/?q", "/?q"),
        ("http://elsewhere/a?q", "/a?q"),
        ("/?q", "/?q"),
    ] {
        let asked = Request::get(target).body(Body::empty()).expect("a request");
        let sent = sent(asked).await;
        assert!(sent.starts_with(&format!("GET {expected} HTTP/1.1\r\n")), "{target}: {sent}");
    }
}
