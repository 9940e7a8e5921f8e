//! Connections that end too early, at each point of the request and of the response.

use oncegate::protocol::Reason::{self, BrokenAnswer, ConnectionLost};
use oncegate::protocol::Sent;

use super::call::{Answer, Caller, assert_maybe_sent};
use super::raw::{Act, End, RawServer, Read, Seen};

const WITH_LENGTH: &str = "HTTP/1.1 201 Created\r\nx-id: ch_1\r\ncontent-length: 11\r\n\r\nhello world";
const CHUNKED: &str =
    "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
const ENDS: [End; 2] = [End::Close, End::Reset];
const CUT_OFF: [Reason; 2] = [ConnectionLost, BrokenAnswer];

/// Makes one call against one act. Returns its result, and the bytes that the server saw.
async fn played(act: Act) -> (Result<Answer, oncegate::call::CallError>, Seen) {
    let server = RawServer::doing([act]).await;
    let called = Caller::patient(server.address).post().await;
    let seen = server.seen().await;
    assert_eq!(seen.accepted, 1, "a call makes one connection");
    (called, seen)
}

async fn request_length() -> usize {
    let (answered, seen) = played(Act::answer(WITH_LENGTH, End::Close)).await;
    assert_eq!(answered.expect("an answer").body, "hello world");
    seen.requests[0].len()
}

#[tokio::test]
async fn a_server_that_reads_a_part_of_the_request_may_have_acted() {
    let length = request_length().await;
    assert!(length > 100, "{length}");
    for end in ENDS {
        for read in 1..=length {
            let (called, seen) = played(Act::no_answer(Read::Bytes(read), end.clone())).await;
            assert_eq!(seen.requests[0].len(), read);
            assert_maybe_sent(called, &[ConnectionLost]);
        }
    }
}

#[tokio::test]
async fn a_server_that_reads_nothing_may_have_been_sent_the_request_or_not() {
    for end in ENDS.into_iter().cycle().take(100) {
        let (called, seen) = played(Act::no_answer(Read::Bytes(0), end)).await;
        let error = called.expect_err("no answer");
        assert_eq!(error.sent == Sent::Never, error.reason == Reason::Unreachable, "{error:?}");
        assert!(seen.requests.is_empty());
    }
}

#[tokio::test]
async fn an_answer_cut_off_at_any_byte_is_no_answer() {
    for whole in [WITH_LENGTH, CHUNKED] {
        for end in ENDS {
            for cut in 0..whole.len() {
                let (called, seen) = played(Act::answer(&whole[..cut], end.clone())).await;
                assert_eq!(seen.requests.len(), 1);
                assert_maybe_sent(called, &CUT_OFF);
            }
        }
    }
}

#[tokio::test]
async fn a_whole_answer_counts_however_the_connection_ends() {
    for whole in [WITH_LENGTH, CHUNKED] {
        let (called, _) = played(Act::answer(whole, End::Close)).await;
        assert_eq!(called.expect("an answer").body, "hello world");
        let (called, _) = played(Act::answer(whole, End::Next)).await;
        assert_eq!(called.expect("an answer").body, "hello world");
        // A reset also discards the bytes that the client has not read yet.
        let (called, _) = played(Act::answer(whole, End::Reset)).await;
        match called {
            Ok(answer) => assert_eq!(answer.body, "hello world"),
            lost => assert_maybe_sent(lost, &CUT_OFF),
        }
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection_but_not_with_a_reset() {
    let open = "HTTP/1.1 200 OK\r\n\r\nhello world";
    let (called, _) = played(Act::answer(open, End::Close)).await;
    assert_eq!(called.expect("an answer").body, "hello world");
    let (called, _) = played(Act::answer(open, End::Reset)).await;
    assert_maybe_sent(called, &CUT_OFF);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_broken() {
    let garbage = [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 99999 Too Many Digits\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "\r\n\r\nHTTP/2 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: eleven\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello world",
        "HTTP/3.0 200 OK\r\n\r\n",
        // The client asked for no other coding, and would not decode it.
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ];
    for garbage in garbage {
        let (called, seen) = played(Act::answer(garbage, End::Hold)).await;
        assert_eq!(seen.requests.len(), 1, "{garbage:?}");
        assert_maybe_sent(called, &[BrokenAnswer]);
    }
}

/// A response that is passed on must not declare another length than that of its body.
#[tokio::test]
async fn an_answer_says_its_length_once() {
    for (length, said) in [
        ("content-length: 5\r\ntransfer-encoding: Chunked", None),
        ("transfer-encoding: chunked\r\ncontent-length: 50", None),
        ("content-length: 21, 21", Some("21")),
        ("content-length: 21\r\ncontent-length: 21", Some("21")),
    ] {
        let answer = format!("HTTP/1.1 201 Created\r\n{length}\r\n\r\nb\r\nhello world\r\n0\r\n\r\n");
        let (called, _) = played(Act::answer(answer, End::Hold)).await;
        let answer = called.expect("an answer");
        let lengths: Vec<_> = answer.headers.get_all("content-length").iter().collect();
        assert_eq!(lengths, said.into_iter().collect::<Vec<_>>(), "{length}");
        assert_eq!(answer.body.len(), if said.is_some() { 21 } else { 11 }, "{length}");
    }
}

#[tokio::test]
async fn headers_without_end_are_a_broken_answer() {
    let (called, _) = played(Act::answer("HTTP/1.1 200 OK\r\n", End::Repeat(b"x-more: and more\r\n"))).await;
    assert_maybe_sent(called, &[BrokenAnswer]);
    let one_line = Act::answer("HTTP/1.1 200 OK\r\nx-long: ", End::Repeat(b"and longer and longer"));
    let (called, _) = played(one_line).await;
    assert_maybe_sent(called, &[BrokenAnswer]);
}

#[tokio::test]
async fn an_interim_answer_decides_nothing() {
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"] {
        for end in ENDS {
            let (called, _) = played(Act::answer(interim, end)).await;
            assert_maybe_sent(called, &CUT_OFF);
        }
        let (called, _) = played(Act::answer(format!("{interim}{WITH_LENGTH}"), End::Close)).await;
        assert_eq!(called.expect("the final answer").status, 201);
    }
}

/// The client never asks to switch protocols, so a server that switches has not answered.
#[tokio::test]
async fn a_switch_of_protocols_is_a_broken_answer() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    for end in [End::Hold, End::Close] {
        let (called, _) = played(Act::answer(switch, end)).await;
        assert_maybe_sent(called, &[BrokenAnswer]);
    }
}

#[tokio::test]
async fn an_answer_before_the_whole_request_was_read_is_an_answer() {
    let refusal = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n";
    let act = Act { read: Read::Bytes(40), ..Act::answer(refusal, End::Hold) };
    let (called, _) = played(act).await;
    assert_eq!(called.expect("an answer").status, 413);
}
