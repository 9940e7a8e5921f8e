//! Clients that stop reading: the gateway disconnects them and frees the resources that they held.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::narrow::{ask, keyed};

/// A time far above every timeout of the gateway in these tests.
const PATIENCE: Duration = Duration::from_secs(20);
/// The size of a response in bytes: more than the system of a client buffers for it.
const ANSWER: usize = 6 << 20;

/// Starts a gateway that logs the end of each connection, with these lines for `[server]`.
async fn gateway(upstream: &Upstream, server: &str) -> Gateway {
    let settings = Settings::route("max_response_body = \"6MiB\"").server(server);
    Gateway::start(upstream, settings.env("ONCEGATE__LOG__LEVEL", "debug")).await
}

#[tokio::test]
async fn a_client_that_reads_nothing_over_http1_is_disconnected() {
    let upstream = Upstream::answering(|_| Response::new(vec![1; ANSWER].into())).await;
    let gateway = gateway(&upstream, "max_in_flight = 1\nbody_read_timeout = \"300ms\"").await;
    let (status, mut connection) = ask(gateway.address, &keyed("k")).await;
    assert_eq!(status, 200);
    gateway.logs("connection ended").await;
    assert!(connection.try_answer().await.is_none(), "the answer is cut off");
    // The only slot for outgoing responses is free again.
    assert!(post(gateway.address, "/v1/charges", "k", "a").await.is_replay());
    assert_eq!(upstream.executions(), 1);
}

type Sender = h2::client::SendRequest<bytes::Bytes>;

/// Opens an HTTP/2 connection that takes only heads, although it answers every ping.
async fn closed_window(gateway: &Gateway) -> (Sender, tokio::task::JoinHandle<()>) {
    let stream = TcpStream::connect(gateway.address).await.expect("the listener accepts");
    let mut builder = h2::client::Builder::new();
    let (sender, connection) =
        builder.initial_window_size(0).handshake::<_, bytes::Bytes>(stream).await.expect("HTTP/2 is spoken");
    let connection = tokio::spawn(async move { drop(connection.await) });
    (sender.ready().await.expect("a connection"), connection)
}

/// Returns the head of the response to a keyed request. Its body follows later.
async fn head(sender: &Sender, key: &str) -> Response<h2::RecvStream> {
    let request = Request::post("http://a/v1/charges").header("idempotency-key", key);
    let mut sender = sender.clone().ready().await.expect("the connection is open");
    let (answer, _) = sender.send_request(request.body(()).expect("a request"), true).expect("a stream");
    answer.await.expect("a head")
}

#[tokio::test]
async fn a_client_that_opens_no_window_over_http2_is_disconnected() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "http2 = true\nbody_read_timeout = \"300ms\"").await;
    let (sender, connection) = closed_window(&gateway).await;
    let answer = head(&sender, "k").await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    timeout(PATIENCE, connection).await.expect("the connection ends").expect("no panic");
    gateway.logs("the client read nothing of a response for too long").await;
    assert!(post(gateway.address, "/v1/charges", "k", "").await.is_replay());
}

#[tokio::test]
async fn answers_that_are_not_taken_keep_their_places() {
    let upstream: Arc<Upstream> = Upstream::start().await;
    let gateway = gateway(&upstream, "http2 = true\nmax_connections = 2").await;
    let (sender, _connection) = closed_window(&gateway).await;
    let first = head(&sender, "k-1").await;
    let second = head(&sender, "k-2").await;
    assert_eq!((first.status(), second.status()), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(head(&sender, "k-3").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((upstream.executions(), gateway.record_count().await), (2, 2));
    // Dropping the response resets its stream.
    drop(first);
    while head(&sender, "k-3").await.status() != StatusCode::CREATED {}
    assert_eq!(upstream.executions(), 3);
}
