//! The way of spans to their receiver: its address and credentials, and receivers that do not take them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use crate::harness::tls::{Authority, certificates};
use crate::harness::{Gateway, Settings, Upstream, post};
use crate::{PATIENCE, collected, end, gateway, received, receiver, spans, telling};

async fn pay(gateway: &Gateway, key: &str) {
    assert_eq!(post(gateway.address, "/v1/charges", key, "a").await.status, 201);
}

/// Waits until this many spans are counted as dropped.
async fn dropped(gateway: &Gateway, count: usize) {
    let until = Instant::now() + PATIENCE;
    while !gateway.shows(&format!("oncegate_spans_dropped_total {count}")).await {
        assert!(Instant::now() < until, "{}", gateway.admin_get("/metrics").await.text());
        sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the name of the service in what a receiver got.
fn service(receiver: &Arc<Upstream>) -> String {
    let resource = received(receiver).remove(0).resource.expect("a resource");
    let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    match name.and_then(|name| name.value.clone()?.value) {
        Some(Value::StringValue(name)) => name,
        other => panic!("{other:?} in {resource:?}"),
    }
}

#[tokio::test]
async fn payments_go_on_without_a_receiver_and_the_lost_spans_are_counted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, telling("127.0.0.1:1")).await;
    for number in 0..5 {
        pay(&gateway, &format!("k-{number}")).await;
    }
    gateway.logs("spans are dropped").await;
    dropped(&gateway, 20).await;
    assert!(post(gateway.address, "/v1/charges", "k-0", "a").await.is_replay());
}

#[tokio::test]
async fn spans_that_a_receiver_refuses_are_counted() {
    let receiver = Upstream::answering(|_| {
        Response::builder().status(401).body(Full::<Bytes>::default()).expect("a response")
    })
    .await;
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, &receiver).await;
    pay(&gateway, "k").await;
    let line = gateway.logs("spans are dropped").await;
    assert!(line.contains("401"), "{line}");
    dropped(&gateway, 4).await;
}

#[tokio::test]
async fn a_receiver_that_never_answers_does_not_keep_the_process() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    receiver.hold();
    let gateway = gateway(&upstream, &receiver).await;
    pay(&gateway, "k").await;
    receiver.reached(1).await;
    pay(&gateway, "k-2").await;
    end(gateway).await;
}

/// The drain waits for the receiver, but not for long. On a busy machine it may give up, though not each time.
#[tokio::test]
async fn the_last_spans_are_sent_at_the_end() {
    let upstream = Upstream::start().await;
    for _ in 0..5 {
        let receiver = receiver().await;
        let gateway = gateway(&upstream, &receiver).await;
        pay(&gateway, "k").await;
        // The next spans wait for the end of a pause.
        collected(&receiver, 4).await;
        pay(&gateway, "k").await;
        end(gateway).await;
        if spans(&receiver).len() == 6 {
            return;
        }
    }
    panic!("the spans of a payment were lost each time");
}

#[tokio::test]
async fn the_usual_variables_name_the_service_and_hold_the_credentials() {
    let upstream = Upstream::start().await;
    let named_by = async |variables: &[(&str, &str)]| {
        let receiver = receiver().await;
        let settings =
            variables.iter().fold(telling(&receiver.address.to_string()), |settings, (name, value)| {
                settings.env(name, value)
            });
        let gateway = Gateway::start(&upstream, settings).await;
        pay(&gateway, &format!("k-{}", receiver.address.port())).await;
        collected(&receiver, 4).await;
        receiver
    };
    assert_eq!(service(&named_by(&[]).await), "oncegate");
    assert_eq!(service(&named_by(&[("OTEL_SERVICE_NAME", "payments-edge")]).await), "payments-edge");
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=edge,deployment.environment.name=test");
    assert_eq!(service(&named_by(&[attributes]).await), "edge");
    let receiver = named_by(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20letmein")]).await;
    assert_eq!(receiver.seen()[0].header("authorization"), "Bearer letmein");
}

#[tokio::test]
async fn a_receiver_with_tls_is_reached_under_the_roots_of_the_machine() {
    let (upstream, receiver, authority) = (Upstream::start().await, receiver().await, Authority::new());
    let files = authority.certify("receiver");
    let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    let config = config.with_single_cert(certificates(&files.cert), key).expect("an identity");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let behind = receiver.address;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            let mut plain = TcpStream::connect(behind).await.expect("the receiver");
            tokio::spawn(async move { drop(copy_bidirectional(&mut tls, &mut plain).await) });
        }
    });
    let settings = Settings::default().more(&format!("[otel]\nendpoint = \"https://localhost:{port}/\"\n"));
    let settings = settings.env("SSL_CERT_FILE", &authority.ca.display().to_string());
    let gateway = Gateway::start(&upstream, settings).await;
    pay(&gateway, "k").await;
    collected(&receiver, 4).await;
}
