//! Traces that clients begin, and traces that begin here.

use crate::harness::{Gateway, Upstream, request};
use crate::{PARENT, TRACE, collected, end, gateway, hex, named, receiver, spans, telling};

/// Sends a payment with these headers.
async fn pay(gateway: &Gateway, key: &str, more: &[(&str, &str)]) {
    let headers: Vec<_> = [("idempotency-key", key)].into_iter().chain(more.iter().copied()).collect();
    assert_eq!(request(gateway.address, "POST", "/v1/charges", &headers, "a").await.status, 201);
}

/// Returns the exemplars that a gateway shows.
async fn exemplars(gateway: &Gateway) -> Vec<String> {
    let accept = [("accept", "application/openmetrics-text;version=1.0.0")];
    let open = request(gateway.admin, "GET", "/metrics", &accept, "").await;
    open.text().lines().filter_map(|line| Some(line.split_once(" # {")?.1.to_owned())).collect()
}

#[tokio::test]
async fn a_client_that_does_not_sample_is_obeyed() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let gateway = gateway(&upstream, &receiver).await;
    pay(&gateway, "k", &[("traceparent", &format!("00-{TRACE}-{PARENT}-00"))]).await;
    assert_eq!(exemplars(&gateway).await, [""; 0]);
    end(gateway).await;
    assert!(spans(&receiver).is_empty());
    let sent = upstream.seen().remove(0).header("traceparent").to_owned();
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"), "{sent}");
}

#[tokio::test]
async fn a_trace_that_begins_here_is_the_one_that_its_bucket_names() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let gateway = gateway(&upstream, &receiver).await;
    pay(&gateway, "k", &[]).await;
    let exemplars = exemplars(&gateway).await;
    let trace = hex(&named(&collected(&receiver, 4).await, "POST pay").trace_id);
    assert_eq!(exemplars.len(), 3, "{exemplars:?}");
    for exemplar in exemplars {
        assert!(exemplar.starts_with(&format!("trace_id=\"{trace}\"}} ")), "{trace}: {exemplar}");
    }
}

#[tokio::test]
async fn what_the_sampler_leaves_out_has_neither_spans_nor_exemplars() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let settings = telling(&receiver.address.to_string()).env("OTEL_TRACES_SAMPLER", "always_off");
    let gateway = Gateway::start(&upstream, settings).await;
    pay(&gateway, "k-1", &[("traceparent", &format!("00-{TRACE}-{PARENT}-01"))]).await;
    pay(&gateway, "k-2", &[]).await;
    assert_eq!(exemplars(&gateway).await, [""; 0]);
    end(gateway).await;
    assert!(spans(&receiver).is_empty());
    assert!(upstream.seen().iter().all(|seen| seen.header("traceparent").ends_with("-00")));
}

/// Both kinds of builds read a parent in one place, so they agree on each.
#[tokio::test]
async fn a_trace_that_can_be_read_goes_on_with_its_state_and_another_begins_anew() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let gateway = gateway(&upstream, &receiver).await;
    let valid = format!("00-{TRACE}-{PARENT}-01");
    let random = format!("00-{TRACE}-{PARENT}-03");
    let future = format!("cc-{TRACE}-{PARENT}-01-more");
    let broken = [format!("{valid}-"), format!("ff-{TRACE}-{PARENT}-01"), valid.to_uppercase()];
    let traced: [(&[&str], bool); 8] = [
        (&[&valid], true),
        (&[&random], true),
        (&[&future], true),
        (&[&broken[0]], false),
        (&[&broken[1]], false),
        (&[&broken[2]], false),
        (&[&valid, &valid], false),
        (&[], false),
    ];
    for (number, (parents, _)) in traced.iter().enumerate() {
        let mut headers = vec![("tracestate", "shop=1,till=2"), ("tracestate", "desk=3")];
        headers.extend(parents.iter().map(|parent| ("traceparent", *parent)));
        pay(&gateway, &format!("k-{number}"), &headers).await;
    }
    let spans = collected(&receiver, 4 * traced.len()).await;
    for (seen, (parents, goes_on)) in upstream.seen().iter().zip(traced) {
        let sent = seen.header("traceparent");
        let call = spans.iter().find(|span| span.name == "upstream" && sent.contains(&hex(&span.span_id)));
        let call = call.unwrap_or_else(|| panic!("{parents:?}: {sent} in {spans:?}"));
        assert_eq!(sent, format!("00-{}-{}-01", hex(&call.trace_id), hex(&call.span_id)));
        assert_eq!(hex(&call.trace_id) == TRACE, goes_on, "{parents:?}: {sent}");
        let state = if goes_on { "shop=1,till=2,desk=3" } else { "" };
        assert_eq!(seen.header("tracestate"), state, "{parents:?}");
        assert_eq!(call.trace_state, state, "{parents:?}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_dropped_and_its_trace_goes_on() {
    let (upstream, receiver) = (Upstream::start().await, receiver().await);
    let gateway = gateway(&upstream, &receiver).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    pay(&gateway, "k", &[("traceparent", &parent), ("tracestate", "no state")]).await;
    let seen = upstream.seen().remove(0);
    assert!(seen.header("traceparent").contains(TRACE) && !seen.headers.contains_key("tracestate"));
}
