//! HTTP/2 on the public listener: the same contract, over streams.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;

use crate::harness::{Gateway, Http2, Settings, Upstream, post, read, trailers};

async fn gateway(server: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let settings = Settings::route("scope = [\"authorization\", \"cookie\"]")
        .server(&format!("http2 = true\n{server}"))
        .more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, settings).await;
    (upstream, gateway)
}

#[tokio::test]
async fn an_operation_is_one_whatever_protocol_its_attempts_speak() {
    let (upstream, gateway) = gateway("").await;
    let client = Http2::open(gateway.address).await;
    let first = client.post("/v1/charges?a=b", "k", "{}").await;
    assert_eq!((first.status, first.is_replay()), (201, false));
    let again = client.post("/v1/charges?a=b", "k", "{}").await;
    let over_http1 = post(gateway.address, "/v1/charges?a=b", "k", "{}").await;
    for replay in [again, over_http1] {
        assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &first.body, true));
    }
    client.post("/v1/charges?a=b", "k", "{\"other\":1}").await.problem(
        422,
        "payload-mismatch",
        "no",
        "new-key",
    );
    let [seen] = &upstream.seen()[..] else { panic!("one execution") };
    assert_eq!((seen.path.as_str(), &*seen.body), ("/v1/charges?a=b", &b"{}"[..]));
    assert_eq!(seen.header("host"), upstream.address.to_string());
    assert_eq!(seen.header("x-forwarded-host"), "api.example");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("via"), "2 oncegate");
}

#[tokio::test]
async fn many_duplicates_on_one_connection_run_once() {
    let (upstream, gateway) = gateway("").await;
    upstream.hold();
    let client = Http2::open(gateway.address).await;
    let attempts: Vec<_> = (0..64)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.post("/v1/charges", "k", "{}").await })
        })
        .collect();
    gateway.duplicates(63).await;
    upstream.let_go();
    let mut replays = 0;
    for attempt in attempts {
        let answer = attempt.await.expect("no panic");
        assert_eq!(answer.status, 201);
        replays += usize::from(answer.is_replay());
    }
    assert_eq!((upstream.executions(), replays), (1, 63));
}

#[tokio::test]
async fn a_stream_that_is_reset_does_not_cancel_the_payment() {
    let (upstream, gateway) = gateway("").await;
    upstream.hold();
    let client = Http2::open(gateway.address).await;
    let headers = [("idempotency-key", "k")];
    let (answer, mut stream) = client.begin("POST", "http://a/v1/charges", &headers).await;
    stream.send_data(Bytes::from_static(b"{}"), true).expect("the stream is open");
    upstream.reached(1).await;
    stream.send_reset(Reason::CANCEL);
    drop(answer);
    upstream.let_go();
    let retry = client.post("/v1/charges", "k", "{}").await;
    assert_eq!((retry.status, retry.is_replay(), upstream.executions()), (201, true, 1));
}

#[tokio::test]
async fn trailers_are_dropped_and_protect_nothing() {
    let (upstream, gateway) = gateway("").await;
    let client = Http2::open(gateway.address).await;
    for path in ["/v1/charges", "/elsewhere"] {
        let (answer, mut stream) = client.begin("POST", &format!("http://a{path}"), &[]).await;
        stream.send_data(Bytes::from_static(b"{}"), false).expect("the stream is open");
        stream.send_trailers(trailers(&[("idempotency-key", "k"), ("x-late", "1")])).expect("it is open");
        assert_eq!(read(answer).await.expect("an answer").status, 201);
    }
    for seen in upstream.seen() {
        assert_eq!(
            (seen.header("idempotency-key"), seen.header("x-late"), &*seen.body),
            ("", "", &b"{}"[..])
        );
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (2, 0));
}

#[tokio::test]
async fn cookies_on_several_lines_are_one_caller() {
    let (upstream, gateway) = gateway("").await;
    let client = Http2::open(gateway.address).await;
    let key = ("idempotency-key", "k");
    let attempt = |cookies: &'static [(&str, &str)]| {
        let (client, headers) = (client.clone(), [&[key], cookies].concat());
        async move { client.request("POST", "http://a/v1/charges", &headers, "{}").await.expect("an answer") }
    };
    attempt(&[("cookie", "a=1"), ("cookie", "b=2")]).await;
    assert!(attempt(&[("cookie", "a=1; b=2")]).await.is_replay());
    assert!(!attempt(&[("cookie", "a=1"), ("cookie", "b=3")]).await.is_replay());
    assert_eq!(upstream.seen()[0].header("cookie"), "a=1; b=2");
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test]
async fn a_large_body_goes_through_whole_both_ways() {
    let upstream = Upstream::answering(|seen| http::Response::new(seen.body.into())).await;
    let settings = Settings::default().server("http2 = true").more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, settings).await;
    let client = Http2::open(gateway.address).await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    let (answer, mut stream) = client.begin("PUT", "http://a/elsewhere", &[]).await;
    let mut left = Bytes::from(body.clone());
    let sending = tokio::spawn(async move {
        while !left.is_empty() {
            stream.reserve_capacity(left.len());
            let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
            let room = room.expect("the stream is open").expect("it is open").min(left.len());
            stream.send_data(left.split_to(room), left.is_empty()).expect("it is open");
        }
    });
    assert!(read(answer).await.expect("an answer").body == body);
    sending.await.expect("no panic");
}

#[tokio::test]
async fn more_requests_than_places_are_answered_overloaded() {
    let (upstream, gateway) = gateway("max_connections = 4").await;
    upstream.hold();
    let client = Http2::open(gateway.address).await;
    let held: Vec<_> = (0..4)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.post("/v1/charges", &format!("k{number}"), "{}").await })
        })
        .collect();
    upstream.reached(4).await;
    client.post("/v1/charges", "more", "{}").await.problem(503, "overloaded", "unknown", "same-key");
    upstream.let_go();
    for held in held {
        assert_eq!(held.await.expect("no panic").status, 201);
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (4, 4));
}

#[tokio::test]
async fn a_drain_lets_streams_end_and_takes_no_new_ones() {
    let (upstream, mut gateway) = gateway("").await;
    upstream.hold();
    let client = Http2::open(gateway.address).await;
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.post("/v1/charges", "k", "{}").await }
    });
    upstream.reached(1).await;
    gateway.terminate().await;
    gateway.logs("draining").await;
    // The connection announces its end. A request that arrives before that is refused.
    while let Ok(late) =
        client.request("POST", "http://a/v1/charges", &[("idempotency-key", "l")], "{}").await
    {
        late.problem(503, "shutting-down", "unknown", "same-key");
    }
    upstream.let_go();
    assert_eq!(running.await.expect("no panic").status, 201);
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(upstream.executions(), 1);
}

/// Pings, which this client answers, do not replace requests.
#[tokio::test]
async fn a_connection_without_requests_is_told_to_leave() {
    let (upstream, gateway) =
        gateway("header_read_timeout = \"200ms\"\nkeep_alive_timeout = \"200ms\"").await;
    let open = async || {
        let stream = tokio::net::TcpStream::connect(gateway.address).await.expect("the listener accepts");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2 is spoken");
        (sender, tokio::spawn(connection))
    };
    upstream.hold();
    let (mut sender, busy) = open().await;
    let payment = http::Request::post("http://a/v1/charges").header("idempotency-key", "k");
    let (answer, _) = sender.send_request(payment.body(()).expect("a request"), true).expect("a stream");
    upstream.reached(1).await;
    let (_idle, gone) = open().await;
    gone.await.expect("no panic").expect("an orderly end");
    // This took as long as the other connection has been without a new request.
    assert!(!busy.is_finished(), "a request is open there");
    upstream.let_go();
    assert_eq!(read(answer).await.expect("an answer").status, 201);
    busy.await.expect("no panic").expect("an orderly end");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn a_client_that_measures_with_pings_is_let_download() {
    let upstream = Upstream::answering(|_| http::Response::new(vec![7; 16 << 20].into())).await;
    let settings = Settings::default().server("http2 = true").more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, settings).await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.expect("the listener accepts");
    let (mut sender, mut connection) = h2::client::handshake(stream).await.expect("HTTP/2 is spoken");
    let mut ping = connection.ping_pong().expect("nobody took it");
    tokio::spawn(connection);
    let request = http::Request::get("http://a/large").body(()).expect("a request");
    let (answer, _) = sender.send_request(request, true).expect("a stream");
    // One ping for each direction, as some clients send them to measure the bandwidth; up to five hundred.
    let pinging = tokio::spawn(async move {
        for _ in 0..500 {
            ping.ping(h2::Ping::opaque()).await.expect("a pong");
        }
    });
    let answer = read(answer).await.expect("an answer");
    assert_eq!(answer.body.len(), 16 << 20);
    pinging.await.expect("no panic");
}
