//! Upstreams that speak HTTP/2: the same rules for "never sent".

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use oncegate::call::CallLimit;
use oncegate::config::Upstream;
use oncegate::protocol::{Reason as Why, Sent};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::call::{Caller, PAYLOAD, assert_maybe_sent, assert_never_sent, plain, post};

const BROKEN: [Why; 2] = [Why::ConnectionLost, Why::BrokenAnswer];

type Stream = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves HTTP/2 by prior knowledge, each stream with `serve`. Counts connections.
async fn server<F>(serve: impl Fn(Stream) -> F + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (connections, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let serve = Arc::clone(&serve);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2 is spoken");
                while let Some(Ok(stream)) = connection.accept().await {
                    tokio::spawn(serve(stream));
                }
            });
        }
    });
    (address, connections)
}

/// Starts a server of one connection that handles its first stream with `act`.
async fn once<F>(act: impl FnOnce(Connection<TcpStream, Bytes>, Stream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2 is spoken");
        let stream = connection.accept().await.expect("a stream").expect("a good one");
        act(connection, stream).await;
    });
    address
}

fn caller(address: SocketAddr) -> Caller {
    Caller::new(Upstream { http2: true, ..plain(address) })
}

async fn collect(mut body: RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        all.extend_from_slice(&data);
    }
    all
}

fn answer(respond: &mut SendResponse<Bytes>, body: impl Into<Bytes>) {
    let response = Response::builder().status(201).body(()).expect("a response");
    let mut stream = respond.send_response(response, false).expect("the stream is open");
    stream.send_data(body.into(), true).expect("the stream is open");
}

#[tokio::test]
async fn requests_share_a_connection() {
    let (address, connections) = server(|(request, mut respond): Stream| async move {
        let (head, body) = request.into_parts();
        let said = format!("{} {} {:?}", head.method, head.uri, head.headers.get(HOST));
        assert_eq!(collect(body).await, PAYLOAD.as_bytes());
        answer(&mut respond, said);
    })
    .await;
    let caller = caller(address);
    let first = caller.post().await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&first.body), format!("POST http://{address}/v1/charges None"));
    let calls: Vec<_> = (0..90)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.post().await.expect("an answer") })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic").body, first.body);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn executions_share_no_connection_with_anything_else() {
    let (address, connections) = server(|(_, mut respond): Stream| async move {
        answer(&mut respond, "ok");
    })
    .await;
    let caller = caller(address);
    for limit in [CallLimit::Silence, CallLimit::Whole, CallLimit::Silence, CallLimit::Whole] {
        caller.call(post(PAYLOAD), limit).await.expect("an answer");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// A path without its slash is malformed, and some servers end a connection after enough of them.
#[tokio::test]
async fn a_query_behind_an_authority_gets_a_path() {
    let (address, _) = server(|(request, mut respond): Stream| async move {
        let said = request.uri().path_and_query().expect("a path").as_str().to_owned();
        answer(&mut respond, said);
    })
    .await;
    let asked = Request::get("http://elsewhere?q").body(axum::body::Body::empty()).expect("a request");
    let given = caller(address).call(asked, CallLimit::Silence).await.expect("a well-formed request");
    assert_eq!(given.body, "/?q");
}

#[tokio::test]
async fn a_length_goes_out_in_canonical_digits() {
    let (address, _) = server(|(request, mut respond): Stream| async move {
        let lengths = request.headers().get_all("content-length");
        let said: Vec<_> = lengths.iter().map(|length| length.to_str().expect("digits").to_owned()).collect();
        collect(request.into_body()).await;
        answer(&mut respond, said.join(" and "));
    })
    .await;
    for (said, length) in [("0300", 300), ("035", 35), ("00", 0)] {
        let mut asked = post("x".repeat(length));
        asked.headers_mut().insert("content-length", said.parse().expect("a value"));
        let given = caller(address).call(asked, CallLimit::Silence).await.expect("an answer");
        assert_eq!(given.body, length.to_string());
    }
}

/// The library alone would report only that the stream was reset.
#[tokio::test]
async fn a_head_beyond_its_limit_still_says_its_status() {
    let (address, _) = server(|(request, mut respond): Stream| async move {
        let lines: usize =
            String::from_utf8(collect(request.into_body()).await).expect("text").parse().expect("a number");
        let mut response = Response::builder().status(201).header("content-length", "02");
        for number in 0..lines {
            response = response.header(format!("x-{number}"), "v");
        }
        let mut stream =
            respond.send_response(response.body(()).expect("a response"), false).expect("the stream is open");
        // A client that cannot use the response may reset the stream.
        let _ = stream.send_data(Bytes::from_static(b"ok"), true);
    })
    .await;
    for (lines, unusable) in [(257, false), (5000, false), (16_000, false), (20_000, true)] {
        let limit = if lines == 20_000 { 4 << 20 } else { 256 << 10 };
        let upstream = Upstream { http2: true, response_head_limit: limit, ..plain(address) };
        let answer = Caller::new(upstream).call(post(lines.to_string()), CallLimit::Whole).await;
        let answer = answer.unwrap_or_else(|error| panic!("{lines}: {error}: {:?}", error.source));
        assert_eq!((answer.status.as_u16(), answer.unusable), (201, unusable), "{lines}");
        assert_eq!(answer.headers.is_empty(), unusable, "{lines}");
    }
    let upstream = Upstream { http2: true, response_head_limit: 4096, ..plain(address) };
    let answer = Caller::new(upstream).call(post("1000"), CallLimit::Whole).await.expect("a status");
    assert_eq!((answer.status.as_u16(), answer.unusable), (201, true));
}

/// A server is silent once. Later it needs more time to begin than there is between two requests, and each
/// request gets its turn only when its own timeout is almost over.
#[tokio::test]
async fn a_connection_is_made_although_no_waiting_request_has_the_time() {
    const BETWEEN: Duration = Duration::from_millis(10);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let _silent = listener.accept().await.expect("a connection");
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                sleep(5 * BETWEEN).await;
                let mut connection = h2::server::handshake(stream).await?;
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    answer(&mut respond, "");
                }
                Ok::<_, h2::Error>(())
            });
        }
    });
    let connect_timeout = 20 * BETWEEN;
    let caller = Caller::new(Upstream { http2: true, connect_timeout, ..plain(address) });
    let mut calls = JoinSet::new();
    let answered = timeout(50 * connect_timeout, async {
        loop {
            let caller = caller.clone();
            calls.spawn(async move { caller.post().await });
            sleep(BETWEEN).await;
            while let Some(called) = calls.try_join_next() {
                match called.expect("no panic") {
                    Ok(answer) => return answer,
                    failed => assert_never_sent(failed),
                }
            }
        }
    });
    assert_eq!(answered.await.expect("the server is well again").status, 201);
}

#[tokio::test]
async fn a_preserved_host_is_the_authority() {
    let (address, _) = server(|(request, mut respond): Stream| async move {
        assert!(!request.headers().contains_key(HOST));
        answer(&mut respond, request.uri().to_string());
    })
    .await;
    let caller = Caller::new(Upstream { http2: true, preserve_host: true, ..plain(address) });
    let mut request = post(PAYLOAD);
    request.headers_mut().insert(HOST, HeaderValue::from_static("api.example"));
    let answer = caller.call(request, CallLimit::Whole).await.expect("an answer");
    assert_eq!(answer.body, "http://api.example/v1/charges");
}

#[tokio::test]
async fn only_a_refused_stream_was_never_sent() {
    for (reason, never) in [
        (Reason::REFUSED_STREAM, true),
        (Reason::CANCEL, false),
        (Reason::INTERNAL_ERROR, false),
        (Reason::NO_ERROR, false),
        (Reason::ENHANCE_YOUR_CALM, false),
    ] {
        let (address, _) =
            server(move |(_request, mut respond): Stream| async move { respond.send_reset(reason) }).await;
        let called = caller(address).post().await;
        assert_eq!(called.expect_err("no answer").sent == Sent::Never, never, "{reason}");
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_may_have_been_sent() {
    let closed = once(|connection, stream| async move { drop((connection, stream)) }).await;
    assert_maybe_sent(caller(closed).post().await, &BROKEN);
    let goodbye = once(|mut connection, stream| async move {
        connection.abrupt_shutdown(Reason::NO_ERROR);
        while connection.accept().await.is_some() {}
        drop(stream);
    })
    .await;
    assert_maybe_sent(caller(goodbye).post().await, &BROKEN);
    let half = once(|mut connection, (_request, mut respond)| async move {
        let response = Response::builder().header("content-length", "9").body(()).expect("a response");
        let mut stream = respond.send_response(response, false).expect("the stream is open");
        stream.send_data(Bytes::from_static(b"half"), false).expect("the stream is open");
        stream.send_reset(Reason::CANCEL);
        while connection.accept().await.is_some() {}
    })
    .await;
    assert_maybe_sent(caller(half).post().await, &BROKEN);
}

#[tokio::test]
async fn a_server_without_http2_is_sent_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.expect("it reads");
    });
    assert_never_sent(caller(address).post().await);
}

#[tokio::test]
async fn a_connection_that_was_closed_in_between_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let served = tokio::spawn(async move {
        for _ in 0..3 {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut connection = h2::server::handshake(stream).await.expect("HTTP/2 is spoken");
            let (_, mut respond) = connection.accept().await.expect("a stream").expect("a good one");
            answer(&mut respond, "ok");
            connection.graceful_shutdown();
            while connection.accept().await.is_some() {}
        }
    });
    let caller = caller(address);
    for _ in 0..3 {
        assert_eq!(caller.post().await.expect("an answer").body, "ok");
    }
    served.await.expect("no panic");
}

#[tokio::test]
async fn a_burst_makes_one_connection_which_goes_when_it_is_idle() {
    let (closed, mut goes) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let closed = closed.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2 is spoken");
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    answer(&mut respond, "ok");
                }
                closed.send(()).expect("the test waits");
            });
        }
    });
    let caller = caller(address);
    all_answered(&caller, 90).await;
    goes.recv().await.expect("the connection is closed");
    assert!(goes.try_recv().is_err(), "there was another one");
}

#[tokio::test]
async fn no_request_waits_for_a_stream_where_few_are_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let (count, gate) = (Arc::clone(&connections), Arc::new(tokio::sync::Barrier::new(60)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                let begun = builder.max_concurrent_streams(10).handshake::<_, Bytes>(stream).await;
                let mut connection = begun.expect("HTTP/2 is spoken");
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let gate = Arc::clone(&gate);
                    tokio::spawn(async move {
                        // The server answers no request before all of them have come.
                        gate.wait().await;
                        answer(&mut respond, "ok");
                    });
                }
            });
        }
    });
    all_answered(&caller(address), 60).await;
    assert_eq!(connections.load(Ordering::SeqCst), 6);
}

async fn all_answered(caller: &Caller, count: usize) {
    let calls: Vec<_> = (0..count)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.post().await.expect("an answer") })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic").body, "ok");
    }
}
