//! The way of a key to the upstream: in which form, under which name, or not at all.

use crate::harness::{Gateway, Settings, Upstream, request};

const JSON: (&str, &str) = ("content-type", "application/json");
const OWN: (&str, &str) = ("idempotency-key", "the-clients-own");

/// Returns the values of two headers that the upstream gets for a request on a route with these settings.
async fn sent(key: &str, headers: &[(&str, &str)]) -> [Option<String>; 2] {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route(&format!("key = {{ {key} }}"))).await;
    let headers = [&[JSON], headers].concat();
    let answer = request(gateway.address, "POST", "/v1/charges", &headers, "{\"order\":\"o-17\"}").await;
    assert_eq!((answer.status, answer.header("idempotency-record").is_some()), (201, true), "{key}");
    let seen = upstream.seen().pop().expect("a request");
    ["idempotency-key", "x-key"].map(|name| {
        let values: Vec<_> = seen.headers.get_all(name).iter().collect();
        assert!(values.len() <= 1, "{key}: {values:?}");
        values.first().map(|value| value.to_str().expect("text").to_owned())
    })
}

#[tokio::test]
async fn a_key_is_sent_in_the_form_and_the_header_that_the_route_names() {
    let quoted = ("x-key", "\"k 1\"");
    for (key, headers, usual, other) in [
        ("header = 'X-Key'", &[quoted][..], None, Some("k 1")),
        ("header = 'X-Key', forward = 'bare'", &[quoted], None, Some("k 1")),
        ("header = 'X-Key', forward = 'as-sent'", &[quoted], None, Some("\"k 1\"")),
        ("header = 'X-Key', forward = 'as-sent'", &[("x-key", "k-1")], None, Some("k-1")),
        ("header = 'X-Key', forward = 'quoted'", &[("x-key", "k-1")], None, Some("\"k-1\"")),
        ("header = 'X-Key', forward = 'none'", &[quoted, OWN], Some("the-clients-own"), None),
        ("header = 'X-Key', forward_as = 'Idempotency-Key'", &[quoted, OWN], Some("k 1"), None),
        ("forward_as = 'X-Key'", &[OWN, ("x-key", "a"), ("x-key", "b")], None, Some("the-clients-own")),
        ("forward = 'none'", &[OWN], None, None),
        ("json = '/order'", &[], Some("o-17"), None),
        ("json = '/order'", &[OWN, quoted], Some("o-17"), Some("\"k 1\"")),
        ("json = '/order', forward = 'quoted'", &[OWN], Some("\"o-17\""), None),
        ("json = '/order', forward = 'as-sent'", &[], Some("o-17"), None),
        ("json = '/order', forward_as = 'X-Key'", &[OWN, quoted], Some("the-clients-own"), Some("o-17")),
        ("json = '/order', forward = 'none'", &[OWN], Some("the-clients-own"), None),
        ("json = '/order', forward = 'none'", &[], None, None),
        (
            "first = [{ json = '/no' }, { header = 'X-Key' }]",
            &[quoted, OWN],
            Some("the-clients-own"),
            Some("k 1"),
        ),
        (
            "first = [{ json = '/order' }, { header = 'X-Key' }]",
            &[OWN],
            Some("the-clients-own"),
            Some("o-17"),
        ),
    ] {
        let expected = [usual, other].map(|value| value.map(str::to_owned));
        assert_eq!(sent(key, headers).await, expected, "{key} {headers:?}");
    }
}

/// A name that servers confuse with that of the key does not reach the upstream.
#[tokio::test]
async fn no_header_looks_like_the_one_that_carries_the_key() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("key = { json = \"/order\" }")).await;
    let headers = [JSON, ("idempotency_key", "other")];
    request(gateway.address, "POST", "/v1/charges", &headers, "{\"order\":\"o\"}").await;
    let seen = upstream.seen().pop().expect("a request");
    assert!(seen.header("idempotency-key") == "o" && !seen.headers.contains_key("idempotency_key"));
}
