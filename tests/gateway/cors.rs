//! Pages of other origins: their preflights, and what a browser lets them read.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::harness::{Answer, Gateway, Http2, Settings, Upstream, request};

const SHOP: (&str, &str) = ("origin", "https://shop.example");
const OTHER: (&str, &str) = ("origin", "https://other.example");
const CALLER: (&str, &str) = ("authorization", "Bearer caller");
const LISTED: &str = "cors = { origins = [\"https://shop.example\", \"https://till.example:8443\"] }";

/// Starts a gateway with these lines in `[server]`, in front of an upstream that answers with these headers.
async fn gateway(server: &str, headers: &'static [(&'static str, &'static str)]) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::answering(move |_| {
        let response = headers
            .iter()
            .fold(Response::builder().status(201), |response, (name, value)| response.header(*name, *value));
        response.body(Full::from(Bytes::from("paid"))).expect("a response")
    })
    .await;
    let gateway = Gateway::start(
        &upstream,
        Settings::default().server(server).more("[fallback]\nupstream = \"payments\""),
    )
    .await;
    (upstream, gateway)
}

async fn pay(gateway: &Gateway, key: &str, origin: (&str, &str), body: &str) -> Answer {
    let headers = [("idempotency-key", key), CALLER, origin];
    request(gateway.address, "POST", "/v1/charges", &headers, body).await
}

async fn preflight(
    gateway: &Gateway,
    path: &str,
    origin: (&str, &str),
    method: &str,
    headers: &str,
) -> Answer {
    let asked =
        [origin, ("access-control-request-method", method), ("access-control-request-headers", headers)];
    request(gateway.address, "OPTIONS", path, &asked, "").await
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

fn exposes(answer: &Answer, name: &str) -> bool {
    let lines = answer.all("access-control-expose-headers");
    lines.iter().flat_map(|line| line.split(',')).any(|exposed| exposed.trim().eq_ignore_ascii_case(name))
}

fn varies(answer: &Answer) -> usize {
    let lines = answer.all("vary");
    lines
        .iter()
        .flat_map(|line| line.split(','))
        .filter(|name| name.trim().eq_ignore_ascii_case("origin"))
        .count()
}

#[tokio::test]
async fn a_preflight_for_a_route_is_answered_by_the_gateway() {
    let (upstream, gateway) = gateway(LISTED, &[]).await;
    let answer = preflight(&gateway, "/v1/charges", SHOP, "POST", "Idempotency-Key,content-type, X-A").await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(allowed(&answer), Some("https://shop.example"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST, PATCH"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("idempotency-key, content-type, x-a"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(varies(&answer), 1);
    // Other spellings of the path, and the other origin of the list.
    let answer =
        preflight(&gateway, "//v1/./charges/", ("origin", "https://till.example:8443"), "POST", "a").await;
    assert_eq!(allowed(&answer), Some("https://till.example:8443"));
    assert_eq!(upstream.executions(), 0);
    assert!(gateway.shows("oncegate_requests_total{route=\"\",outcome=\"preflight\"} 2").await);
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_told_nothing() {
    let (upstream, gateway) = gateway(LISTED, &[]).await;
    let strangers = [
        "https://other.example",
        "https://SHOP.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.other.example",
        "https://shop.example/",
        "null",
        "*",
        "",
    ];
    for stranger in strangers {
        let answer =
            preflight(&gateway, "/v1/charges", ("origin", stranger), "POST", "idempotency-key").await;
        assert_eq!(answer.status, 204, "{stranger}");
        let told = answer.headers.iter().filter(|(name, _)| name.starts_with("access-control"));
        assert_eq!(told.count(), 0, "{stranger}: {:?}", answer.headers);
        assert_eq!(varies(&answer), 1);
        let paid = pay(&gateway, &format!("k{}", stranger.len()), ("origin", stranger), "a").await;
        assert_eq!((paid.status, allowed(&paid)), (201, None), "{stranger}");
        assert!(!exposes(&paid, "idempotency-record"), "{stranger}");
    }
    // Two origins are none.
    let asked = [SHOP, SHOP, ("access-control-request-method", "POST")];
    let answer = request(gateway.address, "OPTIONS", "/v1/charges", &asked, "").await;
    assert_eq!(allowed(&answer), None);
    assert_eq!(
        upstream
            .seen()
            .iter()
            .filter(|seen| seen.headers.contains_key("access-control-request-method"))
            .count(),
        0
    );
}

#[tokio::test]
async fn answers_and_problems_may_be_read_by_the_page_that_asks() {
    let (_upstream, gateway) = gateway(LISTED, &[]).await;
    let till = ("origin", "https://till.example:8443");
    for (answer, replayed, origin) in [
        (pay(&gateway, "k-1", SHOP, "a").await, false, SHOP.1),
        (pay(&gateway, "k-1", till, "a").await, true, till.1),
        (pay(&gateway, "k-1", SHOP, "a").await, true, SHOP.1),
        (pay(&gateway, "k-1", till, "another").await, false, till.1),
        (pay(&gateway, "not a key", SHOP, "a").await, false, SHOP.1),
        (request(gateway.address, "POST", "/v1/a%2Fb", &[SHOP], "a").await, false, SHOP.1),
        (request(gateway.address, "POST", "/v1/charges", &[SHOP], "a").await, false, SHOP.1),
    ] {
        assert_eq!((answer.is_replay(), allowed(&answer)), (replayed, Some(origin)), "{:?}", answer.headers);
        for name in ["Idempotent-Replayed", "Idempotency-Record", "Idempotency-Executed", "Retry-After"] {
            assert!(exposes(&answer, name), "{name}: {:?}", answer.headers);
        }
        assert_eq!((answer.all("access-control-allow-origin").len(), varies(&answer)), (1, 1));
    }
    // A client that is no browser gets no such headers, but a cache is told that others do.
    let plain = pay(&gateway, "k-1", ("x-a", "b"), "a").await;
    assert_eq!((plain.is_replay(), allowed(&plain), varies(&plain)), (true, None, 1));
}

#[tokio::test]
async fn the_upstreams_own_headers_decide_about_its_first_answer_and_never_about_a_replay() {
    let own = &[
        ("access-control-allow-origin", "https://first.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-request-id"),
        ("vary", "Accept, Origin"),
    ];
    let (_upstream, gateway) = gateway(LISTED, own).await;
    let first = pay(&gateway, "k", ("origin", "https://first.example"), "a").await;
    assert_eq!(allowed(&first), Some("https://first.example"));
    assert_eq!(first.header("access-control-allow-credentials"), Some("true"));
    let replay = pay(&gateway, "k", SHOP, "a").await;
    assert_eq!((replay.is_replay(), allowed(&replay)), (true, Some(SHOP.1)));
    assert_eq!(replay.header("access-control-allow-credentials"), None);
    assert!(exposes(&replay, "x-request-id") && exposes(&replay, "idempotency-record"));
    assert_eq!(varies(&replay), 1);
    for stranger in [OTHER, ("origin", "https://first.example")] {
        let replay = pay(&gateway, "k", stranger, "a").await;
        assert_eq!((replay.is_replay(), allowed(&replay)), (true, None));
        assert_eq!(replay.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn without_cors_preflights_pass_and_a_replay_names_no_other_origin() {
    let own = &[("access-control-allow-origin", "https://first.example"), ("access-control-max-age", "5")];
    let (upstream, gateway) = gateway("", own).await;
    let passed = preflight(&gateway, "/v1/charges", OTHER, "POST", "idempotency-key").await;
    assert_eq!((passed.status, passed.header("access-control-max-age")), (201, Some("5")));
    assert_eq!(upstream.seen()[0].header("access-control-request-method"), "POST");
    let first = ("origin", "https://first.example");
    assert_eq!(allowed(&pay(&gateway, "k", first, "a").await), Some(first.1));
    let (same, other) = (pay(&gateway, "k", first, "a").await, pay(&gateway, "k", OTHER, "a").await);
    assert_eq!((same.is_replay(), allowed(&same)), (true, Some(first.1)));
    assert_eq!((other.is_replay(), allowed(&other)), (true, None));
}

#[tokio::test]
async fn an_answer_for_every_page_is_replayed_to_every_page() {
    let (_upstream, gateway) = gateway("", &[("access-control-allow-origin", "*")]).await;
    pay(&gateway, "k", SHOP, "a").await;
    let replay = pay(&gateway, "k", OTHER, "a").await;
    assert_eq!((replay.is_replay(), allowed(&replay)), (true, Some("*")));
}

#[tokio::test]
async fn every_origin_may_be_allowed_and_a_listed_one_with_credentials() {
    let (_upstream, any) = gateway("cors = { origins = [\"*\"] }", &[]).await;
    let answer = preflight(&any, "/v1/charges", OTHER, "PATCH", "a").await;
    assert_eq!(allowed(&answer), Some("*"));
    let answer = pay(&any, "k", OTHER, "a").await;
    assert_eq!((allowed(&answer), varies(&answer)), (Some("*"), 1));

    let server = "cors = { origins = [\"https://shop.example\"], credentials = true, max_age = \"0s\" }";
    let (_upstream, listed) = gateway(server, &[]).await;
    let answers =
        [preflight(&listed, "/v1/charges", SHOP, "POST", "a").await, pay(&listed, "k", SHOP, "a").await];
    for answer in &answers {
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(allowed(answer), Some(SHOP.1));
    }
    assert_eq!(answers[0].header("access-control-max-age"), Some("0"));
}

#[tokio::test]
async fn what_no_route_covers_stays_the_fallbacks() {
    let own = &[("access-control-allow-origin", "https://own.example")];
    let (upstream, gateway) = gateway(LISTED, own).await;
    for (path, method) in [("/other", "POST"), ("/v1/charges", "DELETE")] {
        let answer = preflight(&gateway, path, SHOP, method, "a").await;
        assert_eq!((answer.status, allowed(&answer)), (201, Some("https://own.example")), "{method} {path}");
    }
    assert_eq!(upstream.executions(), 2);
    // A GET needs no permission for its method, so the page may send it after the gateway's answer.
    let answer = preflight(&gateway, "/v1/charges", SHOP, "GET", "authorization").await;
    assert_eq!((answer.status, allowed(&answer)), (204, Some(SHOP.1)));
    // A plain OPTIONS is no preflight.
    let plain = request(gateway.address, "OPTIONS", "/v1/charges", &[SHOP], "").await;
    assert_eq!((plain.status, allowed(&plain)), (201, Some("https://own.example")));
}

#[tokio::test]
async fn a_preflight_cannot_write_headers_of_its_own() {
    let (_upstream, gateway) = gateway(LISTED, &[]).await;
    for bad in ["a b", "a, (", "x:y", ",,", ""] {
        let answer = preflight(&gateway, "/v1/charges", SHOP, "POST", bad).await;
        assert_eq!((answer.status, allowed(&answer)), (204, Some(SHOP.1)), "{bad:?}");
        assert_eq!(answer.header("access-control-allow-headers"), None, "{bad:?}");
    }
    let many = vec!["x-a"; 101].join(",");
    let answer = preflight(&gateway, "/v1/charges", SHOP, "POST", &many).await;
    assert_eq!(answer.header("access-control-allow-headers"), None);
}

#[tokio::test]
async fn lookups_may_be_read_over_http2() {
    let upstream = Upstream::start().await;
    let settings =
        Settings::default().server(&format!("http2 = true\n{LISTED}")).more("[lookup]\nenabled = true");
    let gateway = Gateway::start(&upstream, settings).await;
    let client = Http2::open(gateway.address).await;
    let path = "http://api.example/.well-known/idempotency/record?route=pay&path=/v1/charges";
    let asked = [SHOP, ("access-control-request-method", "GET")];
    let answer = client.request("OPTIONS", path, &asked, "").await.expect("an answer");
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD"));
    let absent = [SHOP, CALLER, ("idempotency-key", "k")];
    let answer = client.request("GET", path, &absent, "").await.expect("an answer");
    assert_eq!((answer.status, allowed(&answer)), (404, Some(SHOP.1)));
}
