//! The framing of a response: the client reads it in one way or not at all.

use oncegate::call::CallLimit;
use oncegate::config::Upstream;
use oncegate::protocol::Reason::BrokenAnswer;

use super::call::{Caller, PAYLOAD, assert_maybe_sent, plain, request};
use super::raw::{Act, End, RawServer};

const ODD: [&str; 33] = [
    "Content-Length : 5\r\n",
    " Content-Length: 5\r\n",
    "x: 1\r\n Content-Length: 5\r\n",
    "Content-Length:\r\n 5\r\n",
    "Content-Length: 5\r\n 0\r\n",
    "Content-Length: 5\r\n \r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Content-Length: 5, 6\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: -5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: 5.0\r\n",
    "Content-Length: five\r\n",
    "Content-Length:\r\n",
    "Content-Length: 5\u{1}\r\n",
    "Content-Length: 5;\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length: 9223372036854775808\r\n",
    "Content-Length 5\r\n",
    "Content-Length=5\r\n",
    "Content\u{1}-Length: 5\r\n",
    "\u{0}Content-Length: 5\r\n",
    "\"Content-Length\": 5\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: \u{b}chunked\r\n",
    "Transfer-Encoding: \u{c}chunked\r\n",
    "Transfer-Encoding: chunked,\r\n",
    "Content-Length: 5\r\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
];

#[tokio::test]
async fn odd_framing_leaves_an_answer_unknown() {
    for odd in ODD {
        // Below the limit of a head, and beyond it, where the head is skimmed.
        for filler in ["", &"x-filler: y\r\n".repeat(200)] {
            for head in [format!("{odd}{filler}"), format!("{filler}{odd}")] {
                let answer = format!("HTTP/1.1 201 Created\r\nx-first: 1\r\n{head}\r\nhello");
                let server = RawServer::doing([Act::answer(answer, End::Hold)]).await;
                let limit = Upstream { response_head_limit: 1024, ..plain(server.address) };
                let called = Caller::new(limit).post().await;
                assert!(called.is_err(), "{odd:?} was read as {called:?}");
                assert_maybe_sent(called, &[BrokenAnswer]);
            }
        }
    }
    let old = "HTTP/1.0 201 Created\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let server = RawServer::doing([Act::answer(old, End::Hold)]).await;
    assert_maybe_sent(Caller::patient(server.address).post().await, &[BrokenAnswer]);
}

/// A framing header that is too long to be read.
#[tokio::test]
async fn a_length_that_is_cut_off_is_no_length() {
    let zeros = "0".repeat(100_000);
    let answer = format!("HTTP/1.1 201 Created\r\ncontent-length: {zeros}5\r\n\r\nhello");
    let server = RawServer::doing([Act::answer(answer, End::Hold)]).await;
    let limit = Upstream { response_head_limit: 1024, ..plain(server.address) };
    assert_maybe_sent(Caller::new(limit).post().await, &[BrokenAnswer]);
}

/// A response without a body needs no framing.
#[tokio::test]
async fn without_a_body_the_framing_does_not_matter() {
    for (method, status, told) in [
        ("POST", "204 No Content", None),
        ("POST", "304 Not Modified", Some("5")),
        ("HEAD", "200 OK", Some("5")),
    ] {
        for (lines, told) in [
            ("content-length: 5\r\ncontent-length: 6\r\n", None),
            ("content-length : 5\r\n", None),
            ("content-length: 05\r\n", told),
            ("", None),
        ] {
            let answer = Act::answer(format!("HTTP/1.1 {status}\r\n{lines}\r\n"), End::Next);
            let server = RawServer::start(move || answer.clone()).await;
            let caller = Caller::patient(server.address);
            for _ in 0..2 {
                let asked = request(method.parse().expect("a method"), PAYLOAD);
                let answer = caller.call(asked, CallLimit::Whole).await.expect("an answer");
                assert_eq!((answer.status.as_str(), answer.body.len()), (&status[..3], 0));
                let says: Vec<_> = answer.headers.get_all("content-length").iter().collect();
                assert_eq!(says, told.into_iter().collect::<Vec<_>>(), "{status} {lines:?}");
            }
            drop(caller);
            assert_eq!(server.seen().await.accepted, 1);
        }
    }
}

#[tokio::test]
async fn trailers_are_left_out_however_odd_they_are() {
    for trailers in ["", "x: 1\r\n", "X Old: 1\r\nno colon\r\n folded\r\n", "x: \u{1}\n", "\u{0}: \r\n"] {
        let answer = format!(
            "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n5 \r\nhello\r\n6;a=b\r\n world\r\n000\r\n{trailers}\r\n"
        );
        let answer = Act::answer(answer, End::Next);
        let server = RawServer::start(move || answer.clone()).await;
        let caller = Caller::patient(server.address);
        for _ in 0..2 {
            assert_eq!(caller.post().await.expect("an answer").body, "hello world", "{trailers:?}");
        }
        drop(caller);
        assert_eq!(server.seen().await.accepted, 1);
    }
}
