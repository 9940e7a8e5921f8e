//! Traces, as a receiver of OTLP over HTTP gets them from a real gateway.
//!
//! `cargo test --test otel --features otel`

#![cfg(all(feature = "otel", feature = "embedded", feature = "redis", feature = "postgres"))]

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of other things")]
mod harness;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::time::{Instant, sleep};

use self::harness::{Gateway, Settings, Upstream, post, request};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Starts a receiver that takes all spans.
async fn receiver() -> Arc<Upstream> {
    Upstream::answering(|_| Response::new(Full::<Bytes>::default())).await
}

fn telling(endpoint: &str) -> Settings {
    Settings::default().more(&format!("[otel]\nendpoint = \"http://{endpoint}\"\n"))
}

/// Returns the spans that a receiver got.
fn spans(receiver: &Upstream) -> Vec<Span> {
    let mut spans = Vec::new();
    for seen in receiver.seen() {
        assert_eq!(seen.path, "/v1/traces");
        assert_eq!(seen.header("content-type"), "application/x-protobuf");
        let request = ExportTraceServiceRequest::decode(seen.body).expect("OTLP");
        for scope in request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans) {
            spans.extend(scope.spans);
        }
    }
    spans
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_spans_of_a_payment_continue_the_clients_trace_up_to_the_upstream() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let mut gateway = Gateway::start(&upstream, telling(&receiver.address.to_string())).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("idempotency-key", "SECRET-KEY"),
        ("authorization", "Bearer SECRET-CALLER"),
        ("traceparent", &*parent),
        ("tracestate", "shop=1"),
    ];
    let made =
        request(gateway.address, "POST", "/v1/charges?card=SECRET-QUERY", &headers, "SECRET-BODY").await;
    assert_eq!(made.status, 201);
    // The drain exports what still waits.
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));

    let spans = spans(&receiver);
    let named = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"))
    };
    let exchange = named("POST pay");
    assert_eq!((hex(&exchange.trace_id), hex(&exchange.parent_span_id)), (TRACE.into(), PARENT.into()));
    for name in ["claim", "upstream", "record"] {
        let span = named(name);
        assert_eq!((&span.trace_id, &span.parent_span_id), (&exchange.trace_id, &exchange.span_id), "{name}");
    }
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.header("traceparent"), format!("00-{TRACE}-{}-01", hex(&named("upstream").span_id)));
    assert_eq!(seen.header("tracestate"), "shop=1");
    let told = format!("{spans:?}");
    for shown in ["/v1/charges", "completed", made.header("idempotency-record").expect("a record")] {
        assert!(told.contains(shown), "{shown} in {told}");
    }
    assert!(!told.contains("SECRET"), "{told}");
}

#[tokio::test]
async fn payments_go_on_without_a_receiver_and_the_lost_spans_are_counted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, telling("127.0.0.1:1")).await;
    for number in 0..5 {
        assert_eq!(post(gateway.address, "/v1/charges", &format!("k-{number}"), "a").await.status, 201);
    }
    gateway.logs("spans are dropped").await;
    let until = Instant::now() + Duration::from_secs(30);
    while !gateway.shows("oncegate_spans_dropped_total 20").await {
        assert!(Instant::now() < until, "{}", gateway.admin_get("/metrics").await.text());
        sleep(Duration::from_millis(50)).await;
    }
    assert!(post(gateway.address, "/v1/charges", "k-0", "a").await.is_replay());
}

#[tokio::test]
async fn a_client_that_does_not_sample_is_obeyed() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let mut gateway = Gateway::start(&upstream, telling(&receiver.address.to_string())).await;
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let headers = [("idempotency-key", "k"), ("traceparent", &*parent)];
    assert_eq!(request(gateway.address, "POST", "/v1/charges", &headers, "a").await.status, 201);
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    assert!(spans(&receiver).is_empty());
    let sent = upstream.seen().remove(0).header("traceparent").to_owned();
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"), "{sent}");
}
