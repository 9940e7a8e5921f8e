//! Frameworks that redirect a POST to the path that they prefer, with the authority of the request. The
//! client must stay on the gateway's side.

use std::net::SocketAddr;

use tokio::process::Command;

use crate::apps::App;
use crate::clients::Gateway;
use crate::harness::{Answer, Connection};

async fn gateway(app: &App, path: &str) -> Gateway {
    let sections = format!(
        "[upstreams.app]\nurl = \"http://{}\"\n[fallback]\nupstream = \"app\"\n\
         [[routes]]\nname = \"redirected\"\npath = \"{path}\"\nupstream = \"app\"\nkey = {{ required = true }}\n",
        app.address
    );
    Gateway::start("", &sections).await
}

/// Sends one attempt with `host` as the authority that the client knows.
async fn attempt(to: SocketAddr, host: &str, path: &str, key: &str) -> Answer {
    let body = r#"{"amount":1200}"#;
    let mut connection = Connection::open(to).await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sk_test\r\n");
    let length = body.len();
    let rest = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    connection.send(format!("{head}idempotency-key: {key}\r\n{rest}")).await;
    connection.answer().await
}

/// Sends a request for `sent`, checks the redirect to `canonical`, and follows it as the framework and the
/// client would.
async fn followed(app: &App, sent: &str, canonical: &str, status: u16) {
    let gateway = gateway(app, "/v1/{resource}").await;
    for (number, host) in ["pay.example", "pay.example:8443", &gateway.address.to_string()].iter().enumerate()
    {
        let key = format!("key-{number}");
        let told = attempt(gateway.address, host, sent, &key).await;
        assert_eq!((told.status, told.header("idempotency-outcome")), (status, Some("released")), "{told:?}");
        let location = told.header("location").expect("a location");
        assert_eq!(location, format!("http://{host}{canonical}"), "the client stays on this side");
        assert_eq!(app.effects(&key).await, 0);
        for (path, replay) in [(canonical, false), (canonical, true), (sent, true)] {
            let told = attempt(gateway.address, host, path, &key).await;
            assert_eq!((told.status, told.is_replay()), (201, replay), "{path}: {told:?}");
        }
        assert_eq!(app.effects(&key).await, 1);
    }
}

/// Runs curl as users call it: curl follows each redirect by itself, to any address.
async fn curl_follows(app: &App, sent: &str) {
    let gateway = gateway(app, "/v1/{resource}").await;
    for replayed in [false, true] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-f", "-L", "--max-redirs", "3", "-D", "-", "-d", r#"{"amount":1200}"#]);
        for header in
            ["Idempotency-Key: curl-1", "Authorization: Bearer sk_test", "Content-Type: application/json"]
        {
            curl.args(["-H", header]);
        }
        curl.arg(format!("http://{}{sent}", gateway.address));
        let told = curl.output().await.expect("curl runs");
        let printed = String::from_utf8_lossy(&told.stdout).to_ascii_lowercase();
        assert!(told.status.success(), "{printed}{}", String::from_utf8_lossy(&told.stderr));
        assert_eq!(printed.contains("idempotent-replayed: true"), replayed, "{printed}");
        assert!(!printed.contains(&app.address.to_string()), "the upstream's address is shown: {printed}");
        assert_eq!(app.effects("curl-1").await, 1, "{printed}");
    }
}

#[tokio::test]
async fn fastapi_drops_a_slash() {
    let app = App::fastapi().await;
    followed(&app, "/v1/charges/", "/v1/charges", 307).await;
    curl_follows(&app, "/v1/charges/").await;
}

#[tokio::test]
async fn flask_adds_a_slash() {
    let app = App::flask().await;
    followed(&app, "/v1/refunds", "/v1/refunds/", 308).await;
    curl_follows(&app, "/v1/refunds").await;
}
