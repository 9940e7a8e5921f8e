//! HTTP/2 requests and frames that a safe server refuses. The cases come from RFC 9113 and h2spec, and
//! concern harm that a client may do to a server. Each case ends the stream or the connection, and the
//! gateway claims and sends nothing for it.

use crate::Bench;
use crate::frames::*;
use crate::harness::Http2;

const REFUSED_STREAM: u32 = 7;

const WHOLE: u8 = END_HEADERS | END_STREAM;

/// Checks that the frames end the stream or the connection with an error, and that no request reaches the
/// upstream. The library may choose any fitting error.
async fn ends(bench: &Bench, what: &str, frames: &[Vec<u8>]) {
    let mut connection = Frames::open(bench.gateway.address).await;
    connection.send(&frames.concat()).await;
    match connection.end().await {
        End::Stream(code) | End::Connection(Some(code)) => assert_ne!(code, 0, "{what}"),
        other => panic!("{what}: {other:?}"),
    }
    bench.untouched(what).await;
}

fn settings(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

#[tokio::test]
async fn frames_have_their_size_and_their_stream() {
    let bench = Bench::start().await;
    for (what, frame) in [
        ("DATA on no stream", frame(DATA, 0, 0, "x")),
        ("HEADERS on no stream", frame(HEADERS, WHOLE, 0, block(&PSEUDO))),
        ("PRIORITY on no stream", frame(PRIORITY, 0, 0, [0; 5])),
        ("RST_STREAM on no stream", frame(RST_STREAM, 0, 0, [0; 4])),
        ("CONTINUATION on no stream", frame(CONTINUATION, 4, 0, "")),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, "")),
        ("PING on a stream", frame(PING, 0, 1, [0; 8])),
        ("GOAWAY on a stream", frame(GOAWAY, 0, 1, [0; 8])),
        ("a frame over the maximum", frame(DATA, 0, 1, vec![0; 16_385])),
        ("a head over the maximum", frame(HEADERS, WHOLE, 1, vec![0; 16_385])),
        ("a short PRIORITY", frame(PRIORITY, 0, 1, [0; 4])),
        ("a short RST_STREAM", frame(RST_STREAM, 0, 1, [0; 3])),
        ("a SETTINGS of five bytes", frame(SETTINGS, 0, 0, [0; 5])),
        ("an ACK that says something", frame(SETTINGS, ACK, 0, [0; 6])),
        ("a short PING", frame(PING, 0, 0, [0; 6])),
        ("a short WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, [0; 3])),
        ("a client's PUSH_PROMISE", frame(PUSH_PROMISE, 4, 1, [0; 4])),
    ] {
        ends(&bench, what, &[frame]).await;
    }
}

#[tokio::test]
async fn settings_and_windows_have_their_range() {
    let bench = Bench::start().await;
    let update = |stream, by: u32| frame(WINDOW_UPDATE, 0, stream, by.to_be_bytes());
    let open = post(1, END_HEADERS, &[]);
    for (what, frames) in [
        ("ENABLE_PUSH of 2", vec![settings(2, 2)]),
        ("a window of 2^31", vec![settings(4, 1 << 31)]),
        ("frames of 16,383", vec![settings(5, 16_383)]),
        ("frames of 2^24", vec![settings(5, 1 << 24)]),
        ("a connection's window by 0", vec![update(0, 0)]),
        ("a window over 2^31", vec![update(0, 0x7fff_ffff)]),
        ("a stream's window by 0", vec![open.clone(), update(1, 0)]),
        ("a stream's window over 2^31", vec![open, update(1, 0x7fff_ffff)]),
    ] {
        ends(&bench, what, &frames).await;
    }
}

#[tokio::test]
async fn streams_go_through_their_states() {
    let bench = Bench::start().await;
    let open = post(1, END_HEADERS, &[("content-length", "9")]);
    let data = |stream| frame(DATA, 0, stream, "x");
    for (what, frames) in [
        ("DATA on an idle stream", vec![data(1)]),
        ("RST_STREAM on an idle stream", vec![frame(RST_STREAM, 0, 1, [0; 4])]),
        ("WINDOW_UPDATE on an idle stream", vec![frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1])]),
        ("CONTINUATION out of nothing", vec![frame(CONTINUATION, 4, 1, "")]),
        ("CONTINUATION after the end of a head", vec![open.clone(), frame(CONTINUATION, 4, 1, "")]),
        ("an even stream", vec![post(2, WHOLE, &[])]),
        ("a stream below another", vec![post(5, END_HEADERS, &[]), post(3, END_HEADERS, &[])]),
        ("DATA within a head", vec![post(1, 0, &[]), data(1)]),
        ("another stream within a head", vec![post(1, 0, &[]), post(3, WHOLE, &[])]),
        ("an unknown frame within a head", vec![post(1, 0, &[]), frame(0x16, 0, 0, "")]),
        ("padding over the frame", vec![open.clone(), frame(DATA, PADDED, 1, [9, 0])]),
        ("a head's padding over the frame", vec![frame(HEADERS, WHOLE | PADDED, 1, [9, 0])]),
        ("a broken header block", vec![frame(HEADERS, WHOLE, 1, [0xff; 12])]),
    ] {
        ends(&bench, what, &frames).await;
    }
    let itself = [&[0, 0, 0, 1, 0][..], &block(&PSEUDO)].concat();
    let itself = frame(HEADERS, WHOLE | PRIORITIZED, 1, itself);
    ends(&bench, "a stream that depends on itself", &[itself]).await;
    let second = frame(HEADERS, END_HEADERS, 1, block(&[("x", "y")]));
    ends(&bench, "trailers that do not end", &[open, second]).await;
}

#[tokio::test]
async fn a_closed_stream_stays_closed() {
    let bench = Bench::start().await;
    bench.upstream.hold();
    for (what, late) in [("DATA", frame(DATA, 0, 1, "x")), ("HEADERS", post(1, WHOLE, &[]))] {
        let mut connection = Frames::open(bench.gateway.address).await;
        connection.send(&[post(1, WHOLE, &[]), late].concat()).await;
        assert!(matches!(connection.end().await, End::Stream(1..) | End::Connection(Some(1..))), "{what}");
    }
    bench.upstream.let_go();
}

#[tokio::test]
async fn pseudo_headers_come_once_first_and_whole() {
    let bench = Bench::start().await;
    let [method, scheme, authority, path] = PSEUDO;
    let without = |left: &[(&'static str, &'static str)]| frame(HEADERS, WHOLE, 1, block(left));
    for (what, head) in [
        ("an unknown one", post(1, WHOLE, &[(":test", "x")])),
        ("one of a response", post(1, WHOLE, &[(":status", "200")])),
        ("one after the others", without(&[method, scheme, ("x", "y"), path])),
        ("no method", without(&[scheme, authority, path])),
        ("no scheme", without(&[method, authority, path])),
        ("no path", without(&[method, scheme, authority])),
        ("an empty path", without(&[method, scheme, authority, (":path", "")])),
        ("two methods", without(&[method, method, scheme, authority, path])),
        ("two paths", without(&[method, scheme, authority, path, path])),
        ("an upper-case name", post(1, WHOLE, &[("X-Test", "y")])),
        ("a Connection header", post(1, WHOLE, &[("connection", "keep-alive")])),
        ("a Transfer-Encoding", post(1, WHOLE, &[("transfer-encoding", "chunked")])),
        ("an Upgrade", post(1, WHOLE, &[("upgrade", "x")])),
        ("a Keep-Alive", post(1, WHOLE, &[("keep-alive", "1")])),
        ("a Proxy-Connection", post(1, WHOLE, &[("proxy-connection", "close")])),
        ("a TE but trailers", post(1, WHOLE, &[("te", "gzip")])),
    ] {
        ends(&bench, what, &[head]).await;
    }
}

#[tokio::test]
async fn a_length_that_is_declared_is_kept() {
    let bench = Bench::start().await;
    let declared = post(1, END_HEADERS, &[("content-length", "2")]);
    for (what, frames) in [
        ("too short", vec![frame(DATA, END_STREAM, 1, "{")]),
        ("too long", vec![frame(DATA, END_STREAM, 1, "{ }")]),
        ("too long in pieces", vec![frame(DATA, 0, 1, "{ "), frame(DATA, END_STREAM, 1, "}")]),
    ] {
        ends(&bench, what, &[vec![declared.clone()], frames].concat()).await;
    }
    ends(&bench, "none", &[post(1, WHOLE, &[("content-length", "2")])]).await;
}

#[tokio::test]
async fn there_is_a_limit_on_streams() {
    let bench = Bench::start().await;
    let mut connection = Frames::open(bench.gateway.address).await;
    let streams = (0..129).map(|number| post(2 * number + 1, END_HEADERS, &[]));
    connection.send(&streams.collect::<Vec<_>>().concat()).await;
    assert_eq!(connection.end().await, End::Stream(REFUSED_STREAM));
    bench.untouched("too many streams").await;
    // Further streams do not cost the others their connection.
    let streams = (129..170).map(|number| post(2 * number + 1, END_HEADERS, &[]));
    connection.send(&streams.collect::<Vec<_>>().concat()).await;
    for _ in 129..170 {
        assert_eq!(connection.end().await, End::Stream(REFUSED_STREAM));
    }
}

#[tokio::test]
async fn heads_are_refused_with_a_reason() {
    let bench = Bench::start().await;
    let client = Http2::open(bench.gateway.address).await;
    let long = format!("http://a/{}", "x".repeat(9_000));
    let many: Vec<_> = (0..100).map(|_| ("x", "y")).collect();
    for (method, target, lines, status) in [
        ("POST", "http://a/v1/charges", &[("host", "b")][..], 400),
        ("POST", "http://a/v1/charges", &[("host", "a"), ("host", "a")], 400),
        ("POST", "http://u@a/v1/charges", &[], 400),
        ("POST", "http://a/v1/charges", &[("content-length", "0"), ("content-length", "0")], 400),
        ("POST", "http://a/v1/charges", &[("transfer_encoding", "chunked")], 400),
        ("POST", "http://a/v1/charges", &[("content_length", "5")], 400),
        ("POST", "http://a/v1/charges", &[("expect", "999")], 417),
        ("TRACE", "http://a/v1/charges", &[], 405),
        ("POST", &long, &[], 414),
        ("POST", "http://a/v1/charges", &many, 431),
    ] {
        let lines = [&[("idempotency-key", "k")], lines].concat();
        let answer = client.request(method, target, &lines, "").await.expect("an answer");
        assert_eq!(answer.status, status, "{method} {target} {lines:?}: {answer:?}");
        answer.problem(status, "about:blank", "unknown", "never");
    }
    let large = "x".repeat(17_000);
    let lines: Vec<_> = (0..5).map(|_| ("x", large.as_str())).collect();
    let answer = client.request("POST", "http://a/v1/charges", &lines, "").await.expect("an answer");
    assert_eq!(answer.status, 431);
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    let mut frames = Frames::open(bench.gateway.address).await;
    frames.send(&frame(HEADERS, END_HEADERS, 1, block(&connect))).await;
    assert_eq!(frames.end().await, End::Answered);
    bench.untouched("refused heads").await;
}
