//! Operators who watch the requests while a reload changes the tokens.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::place::in_force;
use crate::shown::with_token;

/// Opens a tail with a token.
async fn open(gateway: &Gateway, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.admin).await.expect("it is accepted");
    let head =
        format!("GET /v1/tail HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n", gateway.admin);
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    stream
}

/// Reads until a text has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let (mut read, mut bytes) = (String::new(), [0; 4096]);
    while !read.contains(text) {
        let size = timeout(Duration::from_secs(30), stream.read(&mut bytes)).await.expect("it comes");
        let size = size.expect("the stream lives");
        assert!(size > 0, "the stream ended: {read}");
        read.push_str(&String::from_utf8_lossy(&bytes[..size]));
    }
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_of_a_token_that_leaves_the_file_sees_no_more() {
    let upstream = Upstream::start().await;
    let settings = ["ONE", "TWO", "THREE"].iter().fold(Settings::default(), |settings, name| {
        settings.env(name, &format!("{}-secret", name.to_lowercase()))
    });
    let gateway = Gateway::start(&upstream, settings).await;
    let token =
        |name: &str, env: &str| format!("{{ name = \"{name}\", env = \"{env}\", role = \"settle\" }}");
    let tokens = |all: &[String]| format!("[admin]\ntokens = [{}]\n", all.join(", "));
    let first = tokens(&[token("ops", "ONE"), token("gone", "TWO"), token("rotated", "THREE")]);
    gateway.rewrite(|text| text.replacen("[admin]\n", &first, 1));
    in_force(&gateway.admin_post("/v1/reload", &serde_json::json!({})).await);
    let mut stays = open(&gateway, "one-secret").await;
    let mut gone = open(&gateway, "two-secret").await;
    // The name stays, and belongs to another secret.
    let mut rotated = open(&gateway, "three-secret").await;
    let second = tokens(&[token("ops", "ONE"), token("rotated", "TWO")]);
    gateway.rewrite(|text| text.replacen(&first, &second, 1));
    in_force(&with_token(&gateway, "POST", "/v1/reload", "one-secret").await);
    read_until(&mut rotated, "0\r\n\r\n").await;
    // The secret of the token that is gone is one of another name now, so it is admitted.
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    read_until(&mut gone, "/v1/charges").await;
    let third = tokens(&[token("ops", "ONE")]);
    gateway.rewrite(|text| text.replacen(&second, &third, 1));
    in_force(&with_token(&gateway, "POST", "/v1/reload", "one-secret").await);
    read_until(&mut gone, "0\r\n\r\n").await;
    read_until(&mut stays, "/v1/charges").await;
    assert_eq!(post(gateway.address, "/v1/refunds", "l", "{}").await.status, 201);
    read_until(&mut stays, "/v1/refunds").await;
}
