//! Upstream responses that cannot be kept, or cannot be passed on, and the outcome that is recorded for them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::harness::{Answer, Connection, Gateway, Http2, Settings, Upstream, post, request, request_bytes};

/// Starts an upstream that answers each request with these pieces, pauses before each next piece, and then
/// closes. Counts the requests.
async fn upstream(pieces: Vec<Vec<u8>>, pause: Duration) -> (SocketAddr, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (count, pieces) = (count.clone(), pieces.clone());
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                // The gateway sends small requests in one piece.
                if stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    count.send_modify(|count| *count += 1);
                    answer(&mut stream, &pieces, pause).await;
                }
            });
        }
    });
    (address, counted)
}

async fn answer(stream: &mut TcpStream, pieces: &[Vec<u8>], pause: Duration) {
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            sleep(pause).await;
        }
        if stream.write_all(piece).await.is_err() {
            return;
        }
    }
}

async fn gateway(address: SocketAddr, route: &str, client: &str) -> Gateway {
    let nobody = Upstream::start().await;
    let settings = Settings::route(route).upstream(client).server("http2 = true");
    let settings = settings.more("[fallback]\nupstream = \"payments\"");
    Gateway::start(&nobody, Settings { address: Some(address), ..settings }).await
}

fn unusable(answer: &Answer, executed: &str, retry: &str, original: u16) {
    let members = answer.problem(502, "answer-unusable", executed, retry);
    assert_eq!(members["original_status"], original);
}

async fn with_large_head(status: &str) -> (Gateway, watch::Receiver<usize>) {
    let head = format!("HTTP/1.1 {status}\r\nx: {}\r\ncontent-length: 2\r\n\r\nok", "y".repeat(5000));
    let (address, counted) = upstream(vec![head.into_bytes()], Duration::ZERO).await;
    (gateway(address, "", "response_head_limit = \"4KiB\"").await, counted)
}

#[tokio::test]
async fn a_head_that_is_too_large_is_executed_and_not_retained() {
    let (gateway, counted) = with_large_head("201 Created").await;
    unusable(&post(gateway.address, "/v1/charges", "k-1", "a").await, "yes", "never", 201);
    let retry = post(gateway.address, "/v1/charges", "k-1", "a").await;
    let members = retry.problem(410, "response-not-retained", "yes", "never");
    assert_eq!((members["original_status"].as_u64(), *counted.borrow()), (Some(201), 1));
    assert_eq!(gateway.records("completed").await.len(), 1);
}

#[tokio::test]
async fn what_the_status_means_is_said_though_the_head_is_too_large() {
    let (gateway, counted) = with_large_head("429 Slow Down").await;
    for _ in 0..2 {
        unusable(&post(gateway.address, "/v1/charges", "k-1", "a").await, "no", "same-key", 429);
    }
    assert_eq!((gateway.record_count().await, *counted.borrow()), (0, 2));
    let (gateway, counted) = with_large_head("503 Later").await;
    unusable(&post(gateway.address, "/v1/charges", "k-1", "a").await, "unknown", "never", 503);
    let later = post(gateway.address, "/v1/charges", "k-1", "a").await;
    later.problem(409, "outcome-unknown", "unknown", "never");
    assert_eq!(gateway.records("unknown").await[0]["reason"], "status 503");
    assert_eq!(*counted.borrow(), 1);
}

#[tokio::test]
async fn what_no_key_protects_is_unknown_if_its_head_is_too_large() {
    let (gateway, _) = with_large_head("201 Created").await;
    for path in ["/v1/charges", "/elsewhere"] {
        unusable(&request(gateway.address, "POST", path, &[], "a").await, "unknown", "never", 201);
    }
    // The gateway keeps working.
    unusable(&post(gateway.address, "/v1/charges", "k-1", "a").await, "yes", "never", 201);
}

/// The whole response is stored and replayed, and an HTTP/2 client gets it as well.
#[tokio::test]
async fn a_large_head_below_the_limit_is_an_answer_like_any_other() {
    let lines: String = (0..5000).map(|number| format!("x-{number}: {number}\r\n")).collect();
    let head = format!("HTTP/1.1 201 Created\r\nServer : old\r\n{lines}content-length: 002\r\n\r\nok");
    let (address, counted) = upstream(vec![head.into_bytes()], Duration::ZERO).await;
    let gateway = gateway(address, "", "").await;
    for replayed in [false, true] {
        let given = post(gateway.address, "/v1/charges", "k-1", "a").await;
        assert_eq!((given.status, given.text(), given.is_replay()), (201, "ok", replayed));
        assert_eq!((given.header("x-4999"), given.header("content-length")), (Some("4999"), Some("2")));
        assert_eq!(given.header("server"), Some("old"));
    }
    let given = Http2::open(gateway.address).await.post("/v1/charges", "k-1", "a").await;
    assert_eq!((given.status, given.is_replay(), given.header("x-4999")), (201, true, Some("4999")));
    assert_eq!(*counted.borrow(), 1);
}

/// Starts an upstream that streams ten pieces over 1.8 s, and a gateway that allows a call 600 ms.
async fn streams(head: &str, piece: &str, route: &str) -> (Gateway, watch::Receiver<usize>) {
    let mut pieces = vec![format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes()];
    pieces.extend((0..10).map(|_| piece.as_bytes().to_vec()));
    let (address, counted) = upstream(pieces, Duration::from_millis(180)).await;
    (gateway(address, route, "response_timeout = \"600ms\"").await, counted)
}

#[tokio::test]
async fn a_stream_is_passed_through_whole_however_long_it_takes() {
    for (head, piece) in [
        ("content-type: text/event-stream\r\n", "data: 1\n\n"),
        ("content-type: Text/Event-Stream; charset=utf-8\r\n", "data: 1\n\n"),
        ("content-type: application/x-ndjson\r\n", "{\"a\":1}\n"),
        ("content-length: 1000\r\n", &"x".repeat(100)),
    ] {
        let (gateway, counted) = streams(head, piece, "max_response_body = \"64B\"").await;
        let given = post(gateway.address, "/v1/charges", "k-1", "a").await;
        assert_eq!((given.status, given.text()), (200, &*piece.repeat(10)), "{head}");
        let retry = post(gateway.address, "/v1/charges", "k-1", "a").await;
        retry.problem(410, "response-not-retained", "yes", "never");
        assert_eq!(*counted.borrow(), 1);
    }
}

/// The first chunks show that the response is too large to be kept.
#[tokio::test]
async fn what_turns_out_too_large_is_passed_through_too() {
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()];
    pieces.extend((0..10).map(|_| chunk.as_bytes().to_vec()));
    pieces.push(b"0\r\n\r\n".to_vec());
    let (address, _) = upstream(pieces, Duration::from_millis(180)).await;
    let gateway = gateway(address, "max_response_body = \"64B\"", "response_timeout = \"600ms\"").await;
    assert_eq!(post(gateway.address, "/v1/charges", "k-1", "a").await.body.len(), 1000);
}

/// A pause that is too long ends the stream, and the client sees that the stream is not whole. The record
/// stays.
#[tokio::test]
async fn a_stream_that_falls_silent_is_cut_off_and_stays_executed() {
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec()];
    pieces.extend([b"data: 1\n\n".to_vec(), b"data: 2\n\n".to_vec()]);
    let (address, counted) = upstream(pieces, Duration::from_secs(2)).await;
    let gateway = gateway(address, "", "response_timeout = \"400ms\"").await;
    let mut client = Connection::open(gateway.address).await;
    client.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", "k-1")], b"a")).await;
    assert_eq!(client.try_answer().await, None, "no whole answer");
    let retry = post(gateway.address, "/v1/charges", "k-1", "a").await;
    retry.problem(410, "response-not-retained", "yes", "never");
    assert_eq!(*counted.borrow(), 1);
}

/// An endless stream of a client that left must end, because it holds an execution slot.
#[tokio::test]
async fn a_stream_that_nobody_reads_ends() {
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec()];
    pieces.extend((0..100_000).map(|_| b"data: 1\n\n".to_vec()));
    let (address, _) = upstream(pieces, Duration::from_millis(20)).await;
    let nobody = Upstream::start().await;
    let settings = Settings::default().server("max_in_flight = 1").upstream("response_timeout = \"300ms\"");
    let gateway = Gateway::start(&nobody, Settings { address: Some(address), ..settings }).await;
    let begun = async |key: &str| {
        let mut client = Connection::open(gateway.address).await;
        client.send(request_bytes("POST", "/v1/events", &[("idempotency-key", key)], b"a")).await;
        let mut start = [0; 12];
        client.stream.read_exact(&mut start).await.expect("a head");
        (String::from_utf8_lossy(&start).into_owned(), client)
    };
    let (first, client) = begun("k-1").await;
    assert_eq!((first.as_str(), begun("k-2").await.0.as_str()), ("HTTP/1.1 200", "HTTP/1.1 503"));
    drop(client);
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while begun("k-3").await.0 != "HTTP/1.1 200" {
        assert!(tokio::time::Instant::now() < until, "the place is never given back");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A response that will be kept must arrive whole before the deadline, even if its head was in time.
#[tokio::test]
async fn what_is_kept_keeps_to_the_deadline() {
    let (gateway, _) = streams("content-length: 10\r\n", "x", "").await;
    let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
    told.problem(504, "outcome-unknown", "unknown", "never");
}

/// The head, in some cases a valid chunk, and a broken chunk arrive in a single segment.
#[tokio::test]
async fn a_body_that_breaks_at_once_does_not_take_the_head_along() {
    for chunks in ["zz\r\n", "5\r\nhello\r\nzz\r\n", "5\r\nhello"] {
        let head = format!("HTTP/1.1 201 Created\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        let (address, _) = upstream(vec![head.into_bytes()], Duration::ZERO).await;
        let gateway = gateway(address, "max_response_body = \"1B\"", "").await;
        let mut asked =
            vec![request_bytes("POST", "/v1/charges", &[], b"a"), request_bytes("POST", "/x", &[], b"a")];
        if chunks.len() > 4 {
            // The operation is known to be executed, and its response is too large to be kept.
            asked.push(request_bytes("POST", "/v1/charges", &[("idempotency-key", "k-1")], b"a"));
        }
        for bytes in asked {
            let mut client = Connection::open(gateway.address).await;
            client.send(bytes).await;
            let mut received = Vec::new();
            client.stream.read_to_end(&mut received).await.expect("an end");
            let received = String::from_utf8(received).expect("text");
            assert!(received.starts_with("HTTP/1.1 201 Created\r\n"), "{chunks:?}: {received:?}");
            assert!(!received.ends_with("0\r\n\r\n"), "a part passes for the whole: {received:?}");
            assert_eq!(received.contains("hello"), chunks.contains("hello"), "{received:?}");
        }
    }
}

/// A body that breaks at once, over HTTP/2. The HTTP/2 library forgets the head of a stream that it resets.
#[tokio::test]
async fn a_body_that_breaks_at_once_does_not_take_the_head_along_over_http2() {
    let head = "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let (address, _) = upstream(vec![head.into()], Duration::ZERO).await;
    let gateway = gateway(address, "", "").await;
    let client = Http2::open(gateway.address).await;
    let (answer, _) = client.begin("GET", "http://api.example/v1/charges", &[]).await;
    assert_eq!(answer.await.expect("a head").status(), 201);
}

/// No header of the upstream can pass for a header of the gateway.
#[tokio::test]
async fn look_alikes_of_the_gateways_words_are_deleted() {
    let head = "HTTP/1.1 201 Created\r\nIdempotency_Outcome: released\r\nIdempotency-Outcome : released\r\n\
        idempotent_replayed: true\r\nIdempotency-Executed: no\r\ncontent-length: 2\r\n\r\nok";
    let (address, _) = upstream(vec![head.into()], Duration::ZERO).await;
    let gateway = gateway(address, "", "").await;
    for (path, key) in [("/v1/charges", "k-1"), ("/v1/charges", "k-1"), ("/elsewhere", "k-2")] {
        let given = post(gateway.address, path, key, "a").await;
        let said = given.headers.iter().map(|(name, _)| name.replace('_', "-"));
        let said: Vec<_> = said.filter(|name| name == "idempotency-outcome").collect();
        assert_eq!((given.status, said.len()), (201, 0), "{:?}", given.headers);
        assert_ne!(given.header("idempotency-executed"), Some("no"));
    }
}

/// An HTTP/2 request without a body has no `Content-Length`.
#[tokio::test]
async fn an_empty_post_over_http2_says_its_length_to_an_upstream_of_http1() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().server("http2 = true")).await;
    let client = Http2::open(gateway.address).await;
    assert_eq!(client.post("/v1/charges", "k-1", "").await.status, 201);
    let unprotected = client.request("POST", "http://api.example/v1/charges", &[], "").await;
    assert_eq!(unprotected.expect("an answer").status, 201);
    for seen in upstream.seen() {
        assert_eq!(seen.header("content-length"), "0");
    }
}

#[tokio::test]
async fn an_absolute_target_without_a_path_gets_one() {
    let upstream = Upstream::start().await;
    let settings = Settings::default().more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, settings).await;
    for target in ["http://api.example?q", "http://api.example"] {
        assert_eq!(request(gateway.address, "GET", target, &[], "").await.status, 201);
    }
    let paths: Vec<_> = upstream.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/?q", "/"]);
}
