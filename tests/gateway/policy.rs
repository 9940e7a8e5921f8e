//! The published policy: what the routes ask of a request, for any client that wants to know.

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Gateway, Http2, Settings, Upstream, request, request_bytes};

const PATH: &str = "/.well-known/idempotency";
/// Two routes beside the harness's own, which covers `/v1/{*rest}`.
const ROUTES: &str = r#"
[lookup]
enabled = true
[[routes]]
name = "secret-name"
path = "/charges/{id}"
methods = ["POST", "PUT"]
upstream = "payments"
namespace = "secret-namespace"
key = { header = "x-request-id", required = true }
scope = ["x-secret-tenant", "authorization"]
ttl = "90m"
[[routes]]
name = "secret-second"
path = "/refunds"
upstream = "payments"
ttl = "1500ms"
[fallback]
upstream = "payments"
"#;

async fn read(gateway: &Gateway, method: &str, headers: &[(&str, &str)]) -> Answer {
    request(gateway.address, method, PATH, headers, "").await
}

#[tokio::test]
async fn each_route_is_published_with_what_a_client_needs() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("ttl = \"48h\"").more(ROUTES)).await;
    let answer = read(&gateway, "GET", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let routes = answer.json()["routes"].as_array().expect("an array").clone();
    let harness = routes.iter().find(|route| route["path"] == "/v1/{*rest}").expect("the harness's own");
    assert_eq!(harness["lifetime"], json!({ "seconds": 172_800, "iso8601": "PT48H" }));
    let others: Vec<&Value> = routes.iter().filter(|route| *route != harness).collect();
    let problems = "rfc9457";
    assert_eq!(
        others,
        [
            &json!({
                "path": "/charges/{id}", "methods": ["POST", "PUT"], "key": { "header": "X-Request-Id" },
                "required": true, "lifetime": { "seconds": 5400, "iso8601": "PT1H30M" }, "problems": problems
            }),
            &json!({
                "path": "/refunds", "methods": ["POST", "PATCH"], "key": { "header": "Idempotency-Key" },
                "required": false, "lifetime": { "seconds": 1, "iso8601": "PT1.5S" }, "problems": problems
            }),
        ]
    );
    assert!(!answer.text().contains("secret") && !answer.text().contains("payments"), "{}", answer.text());
    assert_eq!(upstream.executions(), 0, "never forwarded");
    let metrics = gateway.admin_get("/metrics").await;
    let counted = "oncegate_requests_total{route=\"\",outcome=\"policy\"} 1";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
}

#[tokio::test]
async fn a_cache_can_keep_it_and_ask_whether_it_changed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().more(ROUTES)).await;
    let answer = read(&gateway, "GET", &[]).await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let tag = answer.header("etag").expect("an entity tag").to_owned();
    for (sent, status) in [(tag.as_str(), 304), ("\"other\"", 200), ("*", 304)] {
        let again = read(&gateway, "GET", &[("if-none-match", sent)]).await;
        assert_eq!((again.status, again.header("etag")), (status, Some(&*tag)), "{sent}");
        assert_eq!(again.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(again.text().is_empty(), status == 304);
    }
    let head = {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(request_bytes("HEAD", PATH, &[], b"")).await;
        connection.head().await
    };
    assert_eq!((head.status, head.header("etag")), (200, Some(&*tag)));
    assert_eq!(head.header("content-length"), Some(&*answer.text().len().to_string()));

    for method in ["GET", "HEAD"] {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(request_bytes(method, PATH, &[("if-none-match", &tag)], b"")).await;
        let known = connection.head().await;
        assert_eq!((known.status, known.header("content-length")), (304, None), "{method}");
    }

    // The same policy has the same tag in another gateway of the fleet, and another policy has another one.
    let same = Gateway::start(&upstream, Settings::default().more(ROUTES)).await;
    assert_eq!(read(&same, "GET", &[]).await.header("etag"), Some(&*tag));
    let other = Gateway::start(&upstream, Settings::route("ttl = \"2h\"").more(ROUTES)).await;
    assert_ne!(read(&other, "GET", &[]).await.header("etag"), Some(&*tag));
}

#[tokio::test]
async fn other_methods_are_refused_and_nothing_is_forwarded() {
    let upstream = Upstream::start().await;
    let settings = Settings::default().more(ROUTES).server("http2 = true");
    let gateway = Gateway::start(&upstream, settings).await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = read(&gateway, method, &[("idempotency-key", "k")]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let http2 = Http2::open(gateway.address).await;
    let target = format!("http://api.example{PATH}");
    let head = http2.request("HEAD", &target, &[], "").await.expect("an answer");
    assert_eq!((head.status, head.text()), (200, ""));
    assert_eq!(
        http2.request("GET", &target, &[], "").await.expect("an answer").json()["routes"][1]["required"],
        true
    );
    // Spellings of the path lead to it too, and its neighbours do not.
    for (target, status) in [
        ("/.well-known/%69dempotency", 200),
        ("/x/../.well-known/idempotency?a=b", 200),
        ("/.well-known/idempotency/", 201),
        ("/.well-known/idempotency/other", 201),
        ("/.well-known/idempotency-2", 201),
    ] {
        assert_eq!(request(gateway.address, "GET", target, &[], "").await.status, status, "{target}");
    }
    assert_eq!(upstream.executions(), 3);
    assert_eq!(gateway.record_count().await, 0);
}

/// Without `[lookup]`, the path is the upstream's.
#[tokio::test]
async fn without_lookups_the_path_leads_where_it_led_before() {
    let upstream = Upstream::start().await;
    let fallback = Settings::default().more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, fallback).await;
    assert_eq!(read(&gateway, "GET", &[]).await.status, 201);
    assert_eq!(upstream.seen()[0].path, PATH);
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    read(&gateway, "GET", &[]).await.problem(404, "no-route", "unknown", "never");
}
