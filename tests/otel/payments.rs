//! The spans of a payment, and what they say.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::harness::{Gateway, Upstream, post, request};
use crate::{PARENT, TRACE, attribute, collected, gateway, hex, named, receiver, telling};

#[tokio::test]
async fn the_spans_of_a_payment_continue_the_clients_trace_up_to_the_upstream() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let gateway = gateway(&upstream, &receiver).await;
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

    let spans = collected(&receiver, 4).await;
    let exchange = named(&spans, "POST pay");
    assert_eq!((hex(&exchange.trace_id), hex(&exchange.parent_span_id)), (TRACE.into(), PARENT.into()));
    for name in ["claim", "upstream", "record"] {
        let span = named(&spans, name);
        assert_eq!((&span.trace_id, &span.parent_span_id), (&exchange.trace_id, &exchange.span_id), "{name}");
    }
    assert_eq!(spans.len(), 4, "{spans:?}");
    let seen = upstream.seen().remove(0);
    let called = named(&spans, "upstream");
    assert_eq!(seen.header("traceparent"), format!("00-{TRACE}-{}-01", hex(&called.span_id)));
    assert_eq!(seen.header("tracestate"), "shop=1");
    for (name, value) in [
        ("http.request.method", "POST"),
        ("url.path", "/v1/charges"),
        ("oncegate.route", "pay"),
        ("oncegate.outcome", "completed"),
        ("oncegate.record", made.header("idempotency-record").expect("a record")),
        ("oncegate.execution", "1"),
        ("client.address", "127.0.0.1"),
        ("http.response.status_code", "201"),
    ] {
        assert_eq!(attribute(exchange, name).as_deref(), Some(value), "{name} in {exchange:?}");
    }
    let told = format!("{spans:?}");
    assert!(!told.contains("SECRET"), "{told}");
}

#[tokio::test]
async fn a_replay_has_no_span_of_the_upstream_and_a_lost_answer_says_why() {
    let upstream = Upstream::answering(|seen| {
        let status = if seen.number == 1 { 201 } else { 503 };
        Response::builder().status(status).body(Full::<Bytes>::default()).expect("a response")
    })
    .await;
    let receiver = receiver().await;
    let gateway = gateway(&upstream, &receiver).await;
    for (key, status) in [("k-1", 201), ("k-1", 201), ("k-2", 503)] {
        assert_eq!(post(gateway.address, "/v1/charges", key, "a").await.status, status);
    }
    // The replay has a claim and no more.
    let spans = collected(&receiver, 4 + 2 + 4).await;
    let ended = |outcome: &str| {
        let found = spans.iter().find(|span| attribute(span, "oncegate.outcome").as_deref() == Some(outcome));
        found.unwrap_or_else(|| panic!("{outcome}: {spans:?}"))
    };
    let calls_of = |trace: &[u8]| {
        spans.iter().filter(|span| span.name == "upstream" && span.trace_id == trace).collect::<Vec<_>>()
    };
    let status = |outcome: &str| ended(outcome).status.as_ref().map_or(0, |status| status.code);
    assert_eq!(calls_of(&ended("replayed").trace_id), [] as [&_; 0]);
    assert_ne!(status("replayed"), StatusCode::Error as i32);
    let lost = calls_of(&ended("outcome-unknown").trace_id);
    assert_eq!(lost.len(), 1, "{spans:?}");
    assert_eq!(attribute(lost[0], "http.response.status_code").as_deref(), Some("503"));
    assert_eq!(status("outcome-unknown"), StatusCode::Error as i32);
}

#[tokio::test]
async fn a_request_that_no_key_protects_has_a_span_as_well() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let mut settings = telling(&receiver.address.to_string());
    settings.more.push_str("[fallback]\nupstream = \"payments\"\n");
    let gateway = Gateway::start(&upstream, settings).await;
    for method in ["POST", "GET", "BREW"] {
        assert_eq!(request(gateway.address, method, "/v1/charges", &[], "").await.status, 201);
    }
    let spans = collected(&receiver, 3).await;
    assert_eq!(spans.len(), 3, "{spans:?}");
    // A method that a client may invent names no span.
    for (name, seen) in ["POST pay", "GET", "HTTP"].into_iter().zip(upstream.seen()) {
        let span = named(&spans, name);
        let parent = format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
        assert_eq!(seen.header("traceparent"), parent);
        assert_eq!(attribute(span, "oncegate.outcome").as_deref(), Some("unprotected"));
    }
}
