//! Headers that pass through the gateway, in both directions.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::harness::{Gateway, Settings, Upstream, post, request};

async fn echo() -> Arc<Upstream> {
    Upstream::start().await
}

#[tokio::test]
async fn what_belongs_to_one_connection_goes_no_further() {
    let upstream = Upstream::answering(|_| {
        let response = Response::builder().status(200).header("connection", "x-internal, close");
        let response =
            response.header("x-internal", "1").header("keep-alive", "timeout=5").header("x-kept", "1");
        response.header("idempotent-replayed", "true").body(Full::new(Bytes::from("a"))).expect("a response")
    })
    .await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let headers = [
        ("idempotency-key", "k-1"),
        ("connection", "x-hop, x-other-hop"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("proxy-authorization", "Basic x"),
        ("idempotency-execution", "forged:1"),
        ("x-end-to-end", "1"),
    ];
    let first = request(gateway.address, "POST", "/v1/charges", &headers, "a").await;
    let seen = &upstream.seen()[0];
    for gone in ["connection", "x-hop", "te", "upgrade", "proxy-authorization"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(seen.header("x-end-to-end"), "1");
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert!(seen.header("idempotency-execution").ends_with(":1"));
    assert_ne!(seen.header("idempotency-execution"), "forged:1");
    assert_eq!((first.header("x-internal"), first.header("keep-alive")), (None, None));
    assert_eq!(first.header("x-kept"), Some("1"));
    // Only the gateway marks a response as a replay.
    assert_eq!(first.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn the_upstream_learns_who_asked_and_where() {
    let upstream = echo().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let forged =
        [("idempotency-key", "k-1"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
    request(gateway.address, "POST", "/v1/charges?a=1&b", &forged, "").await;
    let seen = &upstream.seen()[0];
    assert_eq!(seen.path, "/v1/charges?a=1&b");
    assert_eq!(seen.header("host"), upstream.address.to_string());
    assert_eq!(seen.header("x-forwarded-host"), "api.example");
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("via"), "1.1 oncegate");
    assert_eq!(seen.header("traceparent").len(), 55);
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_the_host_can_be_kept() {
    let upstream = echo().await;
    let settings =
        Settings::default().server("trusted_proxies = [\"127.0.0.0/8\"]").upstream("preserve_host = true");
    let gateway = Gateway::start(&upstream, settings).await;
    let traced = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("idempotency-key", "k-1"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("traceparent", traced),
    ];
    request(gateway.address, "POST", "/v1/charges", &headers, "").await;
    let seen = &upstream.seen()[0];
    assert_eq!(seen.header("x-forwarded-for"), "203.0.113.9, 127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert_eq!(seen.header("host"), "api.example");
    assert_eq!(seen.header("traceparent"), traced);
}

/// A state means nothing to the systems of another trace.
#[tokio::test]
async fn a_trace_reaches_the_upstream_whole_or_begins_anew() {
    let upstream = echo().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let future = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
    let upper = "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01";
    let cases: [(&[&str], bool); 6] = [
        (&[valid], true),
        (&[future], true),
        (&[upper], false),
        (&[valid, valid], false),
        (&["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"], false),
        (&[], false),
    ];
    for (number, (parents, goes_on)) in cases.into_iter().enumerate() {
        let key = format!("k-{number}");
        for keyed in [true, false] {
            let mut headers = vec![("tracestate", "shop=1"), ("tracestate", "till=2")];
            headers.extend(parents.iter().map(|parent| ("traceparent", *parent)));
            headers.extend(keyed.then_some(("idempotency-key", &*key)));
            request(gateway.address, "POST", "/v1/charges", &headers, "").await;
            let seen = upstream.seen().pop().expect("a request");
            let all = |name: &str| seen.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
            let parent = all("traceparent");
            assert_eq!(parent.len(), 1, "{parents:?} {keyed}: {parent:?}");
            assert_eq!(
                parents.iter().any(|sent| parent[0] == sent),
                goes_on,
                "{parents:?} {keyed}: {parent:?}"
            );
            let states: &[&str] = if goes_on { &["shop=1", "till=2"] } else { &[] };
            assert_eq!(all("tracestate"), states, "{parents:?} {keyed}");
        }
    }
}

#[tokio::test]
async fn a_session_is_not_replayed_unless_the_route_says_so() {
    let with_session = || {
        Upstream::answering(|_| {
            let response =
                Response::builder().status(200).header("set-cookie", "a=1").header("set-cookie", "b=2");
            let response = response.header("www-authenticate", "Basic").header("authentication-info", "x");
            response.body(Full::new(Bytes::from("a"))).expect("a response")
        })
    };
    for (route, kept) in [("", 0), ("replay_headers = [\"set-cookie\"]", 2)] {
        let upstream = with_session().await;
        let gateway = Gateway::start(&upstream, Settings::route(route)).await;
        let first = post(gateway.address, "/v1/charges", "k-1", "a").await;
        assert_eq!((first.all("set-cookie").len(), first.header("www-authenticate")), (2, Some("Basic")));
        let retry = post(gateway.address, "/v1/charges", "k-1", "a").await;
        assert_eq!(retry.all("set-cookie").len(), kept);
        assert_eq!((retry.header("www-authenticate"), retry.header("authentication-info")), (None, None));
    }
}

/// Otherwise a client could name itself after another caller and get that caller's response. The gateway
/// identifies callers by the same values that it sends to the upstream.
#[tokio::test]
async fn what_is_not_believed_tells_no_callers_apart() {
    let upstream = echo().await;
    let gateway = Gateway::start(&upstream, Settings::route("scope = [\"x-forwarded-for\"]")).await;
    let named = |caller| [("idempotency-key", "k"), ("x-forwarded-for", caller)];
    let first = request(gateway.address, "POST", "/v1/charges", &named("203.0.113.9"), "").await;
    let same = request(gateway.address, "POST", "/v1/charges", &named("203.0.113.10"), "").await;
    assert_eq!((first.is_replay(), same.is_replay()), (false, true));
    assert_eq!(upstream.seen()[0].header("x-forwarded-for"), "127.0.0.1");

    let settings =
        Settings::route("scope = [\"x-forwarded-for\"]").server("trusted_proxies = [\"127.0.0.0/8\"]");
    let gateway = Gateway::start(&upstream, settings).await;
    for (caller, known) in [("203.0.113.9", false), ("203.0.113.10", false), ("203.0.113.9", true)] {
        let answer = request(gateway.address, "POST", "/v1/charges", &named(caller), "").await;
        assert_eq!(answer.is_replay(), known);
    }
}
