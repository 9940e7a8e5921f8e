//! Heads in an unusual form: a response is usable if its status and framing can be read.

use std::time::Duration;

use http::HeaderMap;
use oncegate::call::CallError;
use oncegate::config::Upstream;

use super::call::{Answer, Caller, plain};
use super::raw::{Act, End, RawServer};

/// Returns the response to one call, and whether the connection was used again.
async fn played(answer: impl AsRef<[u8]>, limit: usize) -> (Result<Answer, CallError>, bool) {
    let act = Act::answer(answer, End::Next);
    let server = RawServer::start(move || act.clone()).await;
    let caller = Caller::new(Upstream { response_head_limit: limit, ..plain(server.address) });
    let first = caller.post().await;
    drop(caller.post().await);
    drop(caller);
    (first, server.seen().await.accepted == 1)
}

/// Returns a 201 with one or more additional lines.
fn with(lines: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 201 Created\r\nx-before: 1\r\n", lines, b"content-length: 2\r\nx-behind: 2\r\n\r\nok"]
        .concat()
}

const LIMIT: usize = 256 << 10;

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(|value| value.as_bytes()).collect()
}

/// A line, the name to look for, and the expected values under this name.
type Odd = (&'static [u8], &'static str, &'static [&'static [u8]]);

const ODD: [Odd; 24] = [
    (b"Server : old\r\n", "server", &[b"old"]),
    (b"Server\t \t: old\r\n", "server", &[b"old"]),
    (b"X: a\r\n b\r\n\tc\r\n", "x", &[b"a   b  \tc"]),
    (b"X:\r\n folded\r\n", "x", &[b"folded"]),
    (b"X: a\r\n \r\n", "x", &[b"a"]),
    (b"X Old: 1\r\n", "old", &[]),
    (b"no colon at all\r\n", "no", &[]),
    (b"X: a\x01b\r\n", "x", &[b"a b"]),
    (b"X: \0\r\n", "x", &[b""]),
    (b"X: a\0b\x7f\r\n", "x", &[b"a b"]),
    (b"X: a\rb\r\n", "x", &[b"a b"]),
    (b": nothing\r\n", "x", &[]),
    (b"\xc3\xa9t\xc3\xa9: 1\r\n", "x", &[]),
    (b"X\0: 1\r\n", "x", &[]),
    (b"X: \xff\xfe\r\n", "x", &[b"\xff\xfe"]),
    (b"X: a\n", "x", &[b"a"]),
    (b"X: a\r\r\n", "x", &[b"a"]),
    (b"X: 1\r\nX : 2\r\nx:3\r\n", "x", &[b"1", b"2", b"3"]),
    (b"X(y): 1\r\n", "x", &[]),
    (b"X:\r\n", "x", &[b""]),
    (b"Content_Length: 5\r\n", "content_length", &[]),
    (b"Content-Lengthy: 5\r\n", "content-lengthy", &[b"5"]),
    (b"X-Content-Length: 5\r\n", "x-content-length", &[b"5"]),
    (b"HTTP/1.1 200 OK\r\n", "http/1.1 200 ok", &[]),
];

#[tokio::test]
async fn an_odd_line_is_mended_or_dropped_and_the_answer_known() {
    for (lines, name, expected) in ODD {
        let shown = lines.escape_ascii();
        let (answered, kept) = played(with(lines), LIMIT).await;
        let answer = answered.unwrap_or_else(|error| panic!("{shown}: {error}: {:?}", error.source));
        assert_eq!(
            (answer.status.as_u16(), &*answer.body, answer.unusable),
            (201, &b"ok"[..], false),
            "{shown}"
        );
        let around = (values(&answer.headers, "x-before"), values(&answer.headers, "x-behind"));
        assert_eq!(around, (vec![&b"1"[..]], vec![&b"2"[..]]), "{shown}");
        assert!(kept, "{shown}: the connection was not used again");
        if http::HeaderName::from_bytes(name.as_bytes()).is_ok() {
            assert_eq!(values(&answer.headers, name), expected, "{shown}");
        }
    }
}

#[tokio::test]
async fn the_pieces_of_an_answer_do_not_matter() {
    for (lines, ..) in [ODD[2], ODD[7], ODD[15]] {
        let whole = with(lines);
        let act = Act { drip: Duration::from_micros(50), ..Act::answer(&whole, End::Next) };
        let server = RawServer::doing([act]).await;
        let dripped = Caller::patient(server.address).post().await.expect("an answer");
        let at_once = played(&whole, LIMIT).await.0.expect("an answer");
        assert_eq!((dripped.headers, dripped.body), (at_once.headers, at_once.body));
    }
}

#[tokio::test]
async fn a_status_line_only_has_to_say_the_status() {
    for start in [
        &b"HTTP/1.1 201\r\n"[..],
        b"HTTP/1.1 201 \r\n",
        b"HTTP/1.1  201  Made\r\n",
        b"HTTP/1.1 201 \xff\x01\0 odd\r\n",
        b"HTTP/1.1 201 Created\n",
        b"\r\nHTTP/1.1 201 Created\r\n",
        b"\n\r\nHTTP/1.2 201 Created\r\n",
        b"HTTP/1.0 201 Created\r\nconnection: keep-alive\r\n",
    ] {
        let (answered, kept) = played([start, b"content-length: 2\r\n\r\nok"].concat(), LIMIT).await;
        let answer = answered.unwrap_or_else(|error| panic!("{}: {error}", start.escape_ascii()));
        assert_eq!((answer.status.as_u16(), &*answer.body, kept), (201, &b"ok"[..], true));
    }
    let bare = "HTTP/1.1 201 Created\nx: 1\ncontent-length: 2\n\nok";
    let (answered, kept) = played(bare, LIMIT).await;
    assert_eq!((&*answered.expect("an answer").body, kept), (&b"ok"[..], true));
}

/// Returns this many lines, each with a name of its own.
fn many(lines: usize) -> Vec<u8> {
    let lines: String = (0..lines).map(|number| format!("x-{number}: v\r\n")).collect();
    with(lines.as_bytes())
}

#[tokio::test]
async fn a_head_is_limited_in_its_bytes_and_hardly_in_its_lines() {
    for lines in [101, 257, 5000, 16_000] {
        let (answered, kept) = played(many(lines), LIMIT).await;
        let answer = answered.expect("an answer");
        assert_eq!((answer.headers.len(), answer.unusable, kept), (lines + 3, false, true));
    }
    // A map of headers has no room for so many names, and would panic.
    for lines in [16_400, 25_000, 33_000, 70_000] {
        let (answered, kept) = played(many(lines), 16 << 20).await;
        let answer = answered.expect("its status is known");
        let known = (answer.status.as_u16(), &*answer.body, answer.headers.len());
        assert_eq!((known, answer.unusable, kept), ((201, &b"ok"[..], 0), true, true), "{lines} lines");
    }
}

#[tokio::test]
async fn a_head_beyond_its_limit_still_says_status_and_framing() {
    let limit = 4096;
    for size in [100, 5000, 66_000, 120_000, 1 << 20] {
        for line in [format!("x-long: {}\r\n", "y".repeat(size)), "x-more: and more\r\n".repeat(size / 18)] {
            let head = with(line.as_bytes());
            let over = head.len() - 2 > limit;
            let (answered, kept) = played(&head, limit).await;
            let answer = answered.unwrap_or_else(|error| panic!("{size}: {error}"));
            assert_eq!((answer.status.as_u16(), &*answer.body), (201, &b"ok"[..]), "{size}");
            assert_eq!((answer.unusable, answer.headers.is_empty(), kept), (over, over, true), "{size}");
        }
    }
    // A head of exactly the limit, and one with a byte more.
    let around = with(b"x: \r\n").len() - 2;
    for (size, unusable) in [(limit - around, false), (limit - around + 1, true)] {
        let head = with(format!("x: {}\r\n", "y".repeat(size)).as_bytes());
        let answer = played(&head, limit).await.0.expect("an answer");
        assert_eq!(answer.unusable, unusable, "{size}");
    }
}
