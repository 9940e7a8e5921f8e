//! TLS on both listeners, with certificates made by the test.

use std::sync::Arc;

use crate::harness::tls::{Authority, certificates, connect};
use crate::harness::{Connection, Gateway, Http2, Settings, Upstream, request_bytes};

async fn gateway(authority: &Authority, more: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let tls = format!(
        "http2 = true\nheader_read_timeout = \"1s\"\ntls = {{ {}{more} }}",
        authority.certify("server").keys()
    );
    let gateway = Gateway::start(&upstream, Settings::default().server(&tls)).await;
    (upstream, gateway)
}

fn charge() -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", "k")], b"{}")
}

#[tokio::test]
async fn both_protocols_are_spoken_over_tls() {
    let authority = Authority::new();
    let (upstream, gateway) = gateway(&authority, "").await;
    let port = gateway.address.port();
    let stream = connect(&authority.client(None, &["h2", "http/1.1"]), port).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(Http2::over(stream).await.post("/v1/charges", "k", "{}").await.status, 201);
    for offered in [&["http/1.1"][..], &[]] {
        let stream = connect(&authority.client(None, offered), port).await.expect("a handshake");
        let mut connection = Connection::over(stream);
        connection.send(charge()).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.is_replay()), (201, true));
    }
    assert_eq!(upstream.seen()[0].header("x-forwarded-proto"), "https");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn a_client_without_tls_or_without_bytes_is_disconnected() {
    let authority = Authority::new();
    let (upstream, gateway) = gateway(&authority, "").await;
    let mut plain = Connection::open(gateway.address).await;
    plain.send(charge()).await;
    assert_eq!(plain.try_answer().await, None);
    assert_eq!(Connection::open(gateway.address).await.try_answer().await, None);
    assert_eq!(upstream.executions(), 0);
}

/// A client gets no more time after its handshake than before it.
#[tokio::test]
async fn a_client_that_sends_nothing_after_the_handshake_is_disconnected() {
    let authority = Authority::new();
    let (_upstream, mut gateway) = gateway(&authority, "").await;
    let port = gateway.address.port();
    for offered in [&["h2"][..], &["http/1.1"]] {
        let stream = connect(&authority.client(None, offered), port).await.expect("a handshake");
        assert_eq!(Connection::over(stream).try_answer().await, None);
    }
    let connector = authority.client(None, &["h2"]);
    let mut wrong = Connection::over(connect(&connector, port).await.expect("a handshake"));
    wrong.send(charge()).await;
    assert_eq!(wrong.try_answer().await, None);
    let _silent = connect(&connector, port).await.expect("a handshake");
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    assert!(!gateway.log().contains("the drain timeout is over"));
}

#[tokio::test]
async fn with_client_ca_only_those_it_vouches_for_are_let_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let client_ca = format!(", client_ca = \"{}\"", authority.ca.display());
    let (upstream, gateway) = gateway(&authority, &client_ca).await;
    let (known, unknown) = (authority.certify("client"), stranger.certify("client"));
    for (identity, let_in) in [(None, false), (Some(&unknown), false), (Some(&known), true)] {
        let answer = async {
            // With TLS 1.3, a client learns only after the handshake that it was refused.
            let stream = connect(&authority.client(identity, &[]), gateway.address.port()).await.ok()?;
            let mut connection = Connection::over(stream);
            tokio::io::AsyncWriteExt::write_all(&mut connection.stream, &charge()).await.ok()?;
            connection.try_answer().await
        };
        assert_eq!(answer.await.map(|answer| answer.status), let_in.then_some(201));
    }
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn certificates_are_replaced_while_connections_go_on() {
    let authority = Authority::new();
    let (_upstream, gateway) = gateway(&authority, "").await;
    let connector = authority.client(None, &[]);
    let shown = async || {
        let stream = connect(&connector, gateway.address.port()).await.expect("a handshake");
        stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone()
    };
    let stream = connect(&connector, gateway.address.port()).await.expect("a handshake");
    let mut connection = Connection::over(stream);
    let old = shown().await;

    let files = authority.certify("server");
    let new = certificates(&files.cert)[0].clone();
    gateway.hang_up().await;
    gateway.logs("the certificates changed and are in use").await;
    assert_ne!(old, new);
    assert_eq!(shown().await, new);

    std::fs::write(&files.key, "no key").expect("a file");
    gateway.hang_up().await;
    gateway.logs("the certificates changed and are not usable").await;
    assert_eq!(shown().await, new);

    connection.send(charge()).await;
    assert_eq!(connection.answer().await.status, 201);
}

/// The gateway needs no signal when the files change, because it reads them every ten seconds.
#[tokio::test]
async fn certificates_are_replaced_without_a_signal() {
    let authority = Authority::new();
    let (_upstream, gateway) = gateway(&authority, "").await;
    let new = certificates(&authority.certify("server").cert)[0].clone();
    gateway.logs("the certificates changed and are in use").await;
    let stream = connect(&authority.client(None, &[]), gateway.address.port()).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.peer_certificates().expect("a certificate")[0], new);
}

#[tokio::test]
async fn the_admin_listener_speaks_tls_and_its_command_follows() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let files = authority.certify("admin");
    let client_ca = authority.ca.display();
    let settings = Settings::default()
        .env("ONCEGATE__ADMIN__TLS__CERT", &files.cert.display().to_string())
        .env("ONCEGATE__ADMIN__TLS__KEY", &files.key.display().to_string())
        .env("ONCEGATE__ADMIN__TLS__CLIENT_CA", &client_ca.to_string());
    let gateway = Gateway::start(&upstream, settings).await;
    let operator = authority.certify("operator");
    let list = |arguments: Vec<String>| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_oncegate"));
        command.args(["records", "list", "--admin"]);
        command.arg(format!("https://localhost:{}", gateway.admin.port())).args(arguments);
        async move { command.output().await.expect("it runs") }
    };
    let trusting = vec!["--ca".to_owned(), client_ca.to_string()];
    let known =
        ["--cert", &operator.cert.display().to_string(), "--cert-key", &operator.key.display().to_string()];
    let known = [trusting.clone(), known.map(str::to_owned).to_vec()].concat();
    let output = list(known).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for refused in [trusting, Vec::new()] {
        let output = list(refused).await;
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.to_lowercase().contains("certificate"), "{said}");
    }
}
