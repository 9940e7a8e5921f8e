//! Requests without protection: their open files, and the upstreams that they still read from.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request};
use crate::place::{in_force, refused, reload};

const FALLBACK: &str = "[fallback]\nupstream = \"payments\"\n";
const REQUIRED: &str = "key = { required = true }";

/// At the start, connections took the open files that the streams of a fallback need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_streams_need_a_restart_where_open_files_are_short() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route(REQUIRED).descriptors(1024)).await;
    let good = std::fs::read_to_string(gateway.file()).expect("it can be read");
    for (change, key) in [
        (good.replacen("[[routes]]", &format!("{FALLBACK}[[routes]]"), 1), "fallback ("),
        (good.replace(REQUIRED, "key = { required = false }"), "routes.pay.key.required ("),
    ] {
        gateway.rewrite(|_| change);
        let problem = refused(&reload(&gateway).await, 409, "needs-restart");
        let restart = problem["restart"].as_array().expect("keys");
        assert_eq!(restart.len(), 1, "{problem}");
        assert!(restart[0].as_str().is_some_and(|named| named.starts_with(key)), "{problem}");
    }
    // Another change is taken, and warns of no number that stands in no file.
    gateway.rewrite(|_| good.replace(REQUIRED, &format!("{REQUIRED}\nttl = \"2h\"")));
    in_force(&reload(&gateway).await);
    let log = gateway.log();
    let reloaded = log.find("the configuration was not reloaded").expect("a refusal");
    assert!(!log[reloaded..].contains("instead of max_connections"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_was_started_with_streams_keeps_them() {
    let upstream = Upstream::start().await;
    let settings = Settings::route(REQUIRED).more(FALLBACK).descriptors(1024);
    let gateway = Gateway::start(&upstream, settings).await;
    gateway.rewrite(|text| text.replace(REQUIRED, ""));
    in_force(&reload(&gateway).await);
    gateway.rewrite(|text| text.replace(FALLBACK, ""));
    in_force(&reload(&gateway).await);
    gateway.rewrite(|text| format!("{FALLBACK}{text}"));
    in_force(&reload(&gateway).await);
    upstream.hold();
    let mut streams = JoinSet::new();
    for _ in 0..12 {
        let address = gateway.address;
        streams.spawn(async move { request(address, "GET", "/other", &[], "").await.status });
    }
    upstream.reached(12).await;
    upstream.let_go();
    assert_eq!(streams.join_all().await, [201; 12]);
}

/// Reads from a connection until `text` has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&read).contains(text) {
        let more = stream.read(&mut buffer).await.expect("bytes");
        assert!(more > 0, "the end before {text:?}");
        read.extend_from_slice(&buffer[..more]);
    }
}

/// Accepts one request, and begins a response that the test ends.
async fn begun(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    read_until(&mut stream, "\r\n\r\n").await;
    let begin = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nevent\r\n";
    stream.write_all(begin.as_bytes()).await.expect("it is sent");
    stream
}

fn upstreams(one: SocketAddr, later: SocketAddr) -> String {
    format!("[upstreams.feed]\nurl = \"http://{one}\"\n[upstreams.later]\nurl = \"http://{later}\"\n")
}

/// The log says that an upstream is no longer used once the last of its streamed answers has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_answer_uses_its_upstream_to_its_end() {
    let upstream = Upstream::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let feed = listener.local_addr().expect("an address");
    let sections = format!("[fallback]\nupstream = \"feed\"\n{}", upstreams(feed, upstream.address));
    let gateway = Gateway::start(&upstream, Settings::default().more(&sections)).await;
    let mut client = Connection::open(gateway.address).await;
    client.send("GET /events HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = begun(&listener).await;
    read_until(&mut client.stream, "event").await;
    // Both upstreams change. The answer of one of them still comes.
    gateway.rewrite(|text| {
        text.replacen("[upstreams.feed]\n", "[upstreams.feed]\nidle_timeout = \"3s\"\n", 1).replacen(
            "[upstreams.later]\n",
            "[upstreams.later]\nidle_timeout = \"3s\"\n",
            1,
        )
    });
    in_force(&reload(&gateway).await);
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    // Unused upstreams are found in the order of their names.
    gateway.logs("\"upstream\":\"later\"").await;
    assert!(!gateway.log().contains("\"upstream\":\"feed\""), "{}", gateway.log());
    stream.write_all(b"3\r\nend\r\n0\r\n\r\n").await.expect("it is sent");
    read_until(&mut client.stream, "end").await;
    let line = gateway.logs("\"upstream\":\"feed\"").await;
    assert!(line.contains("no request uses the earlier settings"), "{line}");
}
