//! Requests with keys that no route protects: the gateway never passes them on without a sign.

use crate::harness::{Gateway, Settings, Upstream, request};

const KEYED: [(&str, &str); 1] = [("idempotency-key", "k-1")];

#[tokio::test]
async fn a_key_without_a_route_is_told_in_the_answer_the_log_and_a_metric() {
    let upstream = Upstream::start().await;
    let settings = Settings::default().more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, settings).await;
    for (method, path) in [("POST", "/v2/charges"), ("PUT", "/v1/charges"), ("POST", "/v2/charges")] {
        let answer = request(gateway.address, method, path, &KEYED, "a").await;
        assert_eq!((answer.status, answer.header("idempotency-protected")), (201, Some("false")), "{method}");
    }
    let metrics = gateway.admin_get("/metrics").await;
    let counted = "oncegate_requests_total{route=\"\",outcome=\"unprotected-key\"} 3\n";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    let line = gateway.logs("no route protects it").await;
    assert!(line.contains("\"WARN\"") && line.contains("/v2/charges") && !line.contains("k-1"), "{line}");
    // A key in a header that the route ignores does not protect the request either.
    let answer = request(gateway.address, "POST", "/elsewhere", &[], "a").await;
    assert_eq!((answer.status, answer.header("idempotency-protected")), (201, None));
    assert_eq!(upstream.executions(), 4);
}

#[tokio::test]
async fn a_key_in_another_header_than_the_routes_is_no_protection() {
    let upstream = Upstream::start().await;
    let settings = Settings::route("key = { header = \"X-Request-Key\" }");
    let gateway = Gateway::start(&upstream, settings).await;
    let answer = request(gateway.address, "POST", "/v1/charges", &KEYED, "a").await;
    assert_eq!((answer.status, answer.header("idempotency-protected")), (201, Some("false")));
    let answer = request(gateway.address, "POST", "/v1/charges", &[("x-request-key", "k")], "a").await;
    assert_eq!((answer.status, answer.header("idempotency-protected")), (201, None));
}

#[tokio::test]
async fn keys_without_a_route_can_be_refused() {
    let upstream = Upstream::start().await;
    let settings = Settings::default().more("[fallback]\nupstream = \"payments\"\nkeyed = \"refuse\"");
    let gateway = Gateway::start(&upstream, settings).await;
    let told = request(gateway.address, "POST", "/v2/charges", &KEYED, "a").await;
    told.problem(404, "no-route", "unknown", "never");
    assert_eq!(upstream.executions(), 0);
    assert_eq!(request(gateway.address, "POST", "/v2/charges", &[], "a").await.status, 201);
}

/// A route covers the request, so the problem and the log must not say that none does.
#[tokio::test]
async fn a_refused_key_says_where_the_route_reads_its_own() {
    let json = ("content-type", "application/json");
    for (key, headers, place) in [
        ("json = \"/order\"", &[KEYED[0], json][..], "the member /order of the body"),
        ("header = \"X-Request-Key\"", &KEYED, "the x-request-key header"),
        (
            "first = [{ header = \"X-Id\" }, { json = [\"/m\", \"/o\"] }]",
            &[KEYED[0], json],
            "the x-id header or the members /m and /o of the body",
        ),
    ] {
        for keyed in ["refuse", "pass"] {
            let upstream = Upstream::start().await;
            let settings = Settings::route(&format!("key = {{ {key} }}"));
            let fallback = format!("[fallback]\nupstream = \"payments\"\nkeyed = \"{keyed}\"");
            let gateway = Gateway::start(&upstream, settings.more(&fallback)).await;
            let answer = request(gateway.address, "POST", "/v1/charges", headers, "{}").await;
            if keyed == "refuse" {
                let told = answer.problem(404, "no-route", "unknown", "never");
                let detail = told["detail"].as_str().expect("a text");
                assert!(detail.contains(place) && !detail.contains("no route protects"), "{detail}");
                assert_eq!(upstream.executions(), 0);
            } else {
                assert_eq!((answer.status, answer.header("idempotency-protected")), (201, Some("false")));
                let line = gateway.logs("where its route does not read keys").await;
                assert!(line.contains("\"pay\"") && !line.contains("k-1"), "{line}");
            }
        }
    }
}

/// Once a request may have been sent, only a request with a safe method may be repeated, with or without a
/// key.
#[tokio::test]
async fn what_was_sent_unprotected_and_not_answered_is_never_repeated() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        use tokio::io::AsyncReadExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 1024];
            // The upstream reads a request and disappears.
            drop(stream.read(&mut some).await);
        }
    });
    let upstream = Upstream::start().await;
    let settings = Settings::default().more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, Settings { address: Some(address), ..settings }).await;
    for (method, path, headers, retry) in [
        ("POST", "/v1/charges", &[][..], "never"),
        ("POST", "/v2/charges", &[], "never"),
        ("POST", "/v2/charges", &KEYED, "never"),
        ("DELETE", "/v2/charges/1", &[], "never"),
        ("GET", "/v2/charges/1", &[], "same-key"),
    ] {
        let told = request(gateway.address, method, path, headers, "").await;
        told.problem(504, "about:blank", "unknown", retry);
        let protected = (!headers.is_empty()).then_some("false");
        assert_eq!(told.header("idempotency-protected"), protected, "{method} {path}");
    }
}
