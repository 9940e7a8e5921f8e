//! Traces, as a receiver of OTLP over HTTP gets them from a real gateway.
//!
//! `cargo test --test otel --features otel`

#![cfg(all(feature = "otel", feature = "embedded", feature = "redis", feature = "postgres"))]

mod configuration;
mod context;
mod delivery;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of other things")]
mod harness;
mod payments;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use tokio::time::timeout;

use self::harness::{Gateway, Settings, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// The longest time that a test waits for spans.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a receiver that takes all spans.
async fn receiver() -> Arc<Upstream> {
    Upstream::answering(|_| Response::new(Full::<Bytes>::default())).await
}

/// Returns the settings of a gateway with a receiver at this address.
fn telling(endpoint: &str) -> Settings {
    Settings::default().more(&format!("[otel]\nendpoint = \"http://{endpoint}\"\n"))
}

/// Starts a gateway that sends its spans to this receiver.
async fn gateway(upstream: &Upstream, receiver: &Upstream) -> Gateway {
    Gateway::start(upstream, telling(&receiver.address.to_string())).await
}

/// Ends a gateway.
async fn end(mut gateway: Gateway) {
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
}

/// Returns what a receiver got, with the attributes of the senders.
fn received(receiver: &Upstream) -> Vec<ResourceSpans> {
    let decoded = receiver.seen().into_iter().flat_map(|seen| {
        assert_eq!(seen.path, "/v1/traces");
        assert_eq!(seen.header("content-type"), "application/x-protobuf");
        ExportTraceServiceRequest::decode(seen.body).expect("OTLP").resource_spans
    });
    decoded.collect()
}

/// Returns the spans that a receiver got.
fn spans(receiver: &Upstream) -> Vec<Span> {
    let scopes = received(receiver).into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// Waits until a receiver got this many spans, and returns them.
async fn collected(receiver: &Upstream, count: usize) -> Vec<Span> {
    let enough = async {
        loop {
            let batches = receiver.executions();
            let spans = spans(receiver);
            if spans.len() >= count {
                return spans;
            }
            receiver.reached(batches + 1).await;
        }
    };
    timeout(PATIENCE, enough).await.unwrap_or_else(|_| panic!("{count} spans, not {:?}", spans(receiver)))
}

/// Returns the one span with this name.
#[track_caller]
fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = found[..] else { panic!("{name}: {spans:?}") };
    span
}

/// Returns an attribute of a span as text.
fn attribute(span: &Span, name: &str) -> Option<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => panic!("{name} is no text: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
