//! Failed TLS handshakes, as metrics and logs show them to operators.

use serde_json::Value;

use crate::harness::tls::{Authority, Files, connect};
use crate::harness::{Connection, Gateway, Settings, Upstream, request_bytes};

/// Sends a request on a connection with this identity and returns the response, if there is one.
async fn asked(authority: &Authority, identity: Option<&Files>, gateway: &Gateway) -> Option<u16> {
    let stream = connect(&authority.client(identity, &[]), gateway.address.port()).await.ok()?;
    let mut connection = Connection::over(stream);
    let bytes = request_bytes("GET", "/nowhere", &[], b"");
    // With TLS 1.3, a client learns only after the handshake that it was refused.
    tokio::io::AsyncWriteExt::write_all(&mut connection.stream, &bytes).await.ok()?;
    Some(connection.try_answer().await?.status)
}

#[tokio::test]
async fn why_a_client_is_shut_out_is_told() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let upstream = Upstream::start().await;
    let tls = format!(
        "header_read_timeout = \"1s\"\ntls = {{ {}, client_ca = \"{}\" }}",
        authority.certify("server").keys(),
        authority.ca.display()
    );
    let gateway = Gateway::start(&upstream, Settings::default().server(&tls)).await;
    let (expired, unknown) = (authority.certify_expired("expired"), stranger.certify("unknown"));
    assert_eq!(asked(&authority, Some(&expired), &gateway).await, None);
    assert_eq!(asked(&authority, Some(&unknown), &gateway).await, None);
    assert_eq!(asked(&authority, None, &gateway).await, None);
    let mut plain = Connection::open(gateway.address).await;
    plain.send(request_bytes("GET", "/nowhere", &[], b"")).await;
    assert_eq!(plain.try_answer().await, None);
    let mut silent = Connection::open(gateway.address).await;
    assert_eq!(silent.try_answer().await, None);
    drop(Connection::open(gateway.address).await);
    for reason in ["expired", "unknown-ca", "no-certificate", "not-tls", "timeout"] {
        let line = gateway.logs(&format!("\"reason\":\"{reason}\"")).await;
        let line: Value = serde_json::from_str(&line).expect("a JSON line");
        assert_eq!((&line["level"], &line["client"]), (&"WARN".into(), &"127.0.0.1".into()), "{line}");
        let message = line["message"].as_str().expect("a message");
        assert!(!message.contains("Error") && !message.contains("Custom"), "in plain words: {message}");
        let metrics = gateway.admin_get("/metrics").await;
        let sample = format!("oncegate_tls_failures_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.text().contains(&sample), "{sample} in {}", metrics.text());
    }
    assert_eq!(asked(&authority, Some(&authority.certify("client")), &gateway).await, Some(404));
}

#[tokio::test]
async fn strangers_cannot_fill_the_log() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let tls = format!("tls = {{ {} }}", authority.certify("server").keys());
    let gateway = Gateway::start(&upstream, Settings::default().server(&tls)).await;
    for _ in 0..50 {
        let mut plain = Connection::open(gateway.address).await;
        plain.send("GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(plain.try_answer().await, None);
    }
    let metrics = gateway.admin_get("/metrics").await;
    assert!(
        metrics.text().contains("oncegate_tls_failures_total{reason=\"not-tls\"} 50\n"),
        "{}",
        metrics.text()
    );
    let lines = gateway.log().lines().filter(|line| line.contains("not-tls")).count();
    assert!((1..=20).contains(&lines), "{lines} lines for 50 failures");
}
