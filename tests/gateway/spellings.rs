//! Spellings of one path: one operation, or a refusal; and the other rules that decide whether two requests
//! are the same.

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, request, request_bytes};

const SPELLINGS: [&str; 14] = [
    "/v1/charges",
    "/v1/charges/",
    "/V1/Charges",
    "/v1/CHARGES/",
    "//v1/charges",
    "/v1//charges",
    "/v1/./charges",
    "/v1/x/../charges",
    "/v1/ch%61rges",
    "/v1/%63%68arges",
    "/v1/charges;a=b",
    "/v1;x=1/charges",
    "/v1/charges//",
    "/%2e/v1/charges",
];

/// Returns settings with a route for exactly this path, beside the route of all tests.
fn settings(more: &str) -> Settings {
    let sections = format!(
        "[[routes]]\nname = \"charges\"\npath = \"/v1/charges\"\nupstream = \"payments\"\n\
         key = {{ required = true }}\nanonymous = \"one\"\n{more}\n[fallback]\nupstream = \"payments\""
    );
    Settings::default().more(&sections)
}

async fn start(more: &str) -> (std::sync::Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, settings(more)).await;
    (upstream, gateway)
}

async fn pay(gateway: &Gateway, path: &str) -> Answer {
    request(gateway.address, "POST", path, &[("idempotency-key", "k-1")], "a").await
}

#[tokio::test]
async fn all_spellings_of_a_path_are_one_operation() {
    let (upstream, gateway) = start("").await;
    for (number, spelling) in SPELLINGS.into_iter().enumerate() {
        let answer = pay(&gateway, spelling).await;
        assert_eq!((answer.status, answer.is_replay()), (201, number > 0), "{spelling}");
        // The key is required for every spelling.
        let keyless = request(gateway.address, "POST", spelling, &[], "a").await;
        keyless.problem(400, "key-missing", "no", "new-key");
    }
    // The upstream receives the path as it was sent.
    assert_eq!(upstream.seen()[0].path, "/v1/charges");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn spellings_that_servers_disagree_about_are_refused() {
    let (upstream, gateway) = start("").await;
    pay(&gateway, "/v1/charges").await;
    for spelling in
        ["/v1%2Fcharges", "/v1%2fcharges", "/v1%5Ccharges", "/v1\\charges", "/v1/x%2F..%2fcharges"]
    {
        for headers in [&[("idempotency-key", "k-1")][..], &[]] {
            let told = request(gateway.address, "POST", spelling, headers, "a").await;
            told.problem(404, "no-route", "unknown", "never");
        }
        // A method that no route covers leaves no doubt.
        assert_eq!(request(gateway.address, "GET", spelling, &[], "").await.status, 201, "{spelling}");
    }
    for method in ["post", "Post", "pATCH"] {
        for path in ["/v1/charges", "/v1/charges/", "/v1%2Fcharges"] {
            let told = request(gateway.address, method, path, &[("idempotency-key", "k-1")], "a").await;
            told.problem(404, "no-route", "unknown", "never");
        }
    }
    assert_eq!(upstream.seen().iter().filter(|seen| !seen.body.is_empty()).count(), 1);
}

#[tokio::test]
async fn escapes_of_what_a_template_spells_out_are_one_operation() {
    let upstream = Upstream::start().await;
    let route = "[[routes]]\nname = \"refunds\"\npath = \"/v1/charges:refund,all@once\"\nupstream = \"payments\"\n\
                 anonymous = \"one\"\n[fallback]\nupstream = \"payments\"";
    let gateway = Gateway::start(&upstream, Settings::default().more(route)).await;
    for (number, spelling) in [
        "/v1/charges:refund,all@once",
        "/v1/charges%3Arefund%2Call%40once",
        "/v1/charges%3arefund,all%40once/",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = pay(&gateway, spelling).await;
        assert_eq!((answer.status, answer.is_replay()), (201, number > 0), "{spelling}");
    }
    assert_eq!(upstream.executions(), 1);
}

/// Under a route for every path, both readings of such a path are covered, but they are two operations.
#[tokio::test]
async fn two_slashes_at_the_start_are_refused_under_any_route() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    assert!(!pay(&gateway, "/v1/charges").await.is_replay());
    for spelling in ["//x/v1/charges", "////x/v1/charges", "//x@y/v1/charges"] {
        pay(&gateway, spelling).await.problem(404, "no-route", "unknown", "never");
    }
    assert_eq!(upstream.executions(), 1);
}

/// A framework that obeys such a header runs the operation, although no route covers the method of the
/// request line.
#[tokio::test]
async fn a_method_that_a_header_names_is_refused_where_a_route_covers_it() {
    let (upstream, gateway) = start("").await;
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        for (method, named) in [("GET", "POST"), ("PUT", "post"), ("DELETE", " Patch ")] {
            for path in ["/v1/charges", "/v1/charges/", "/v1%2Fcharges"] {
                let headers = [("idempotency-key", "k-1"), (header, named)];
                let told = request(gateway.address, method, path, &headers, "").await;
                told.problem(404, "no-route", "unknown", "never");
            }
        }
        // A method that no route covers leaves no doubt.
        let head = request(gateway.address, "GET", "/v1/charges", &[(header, "DELETE")], "").await;
        assert_eq!(head.status, 201, "{header}");
    }
    // A header with `_` in place of `-` is not passed on.
    request(gateway.address, "GET", "/v1/charges", &[("x_http_method_override", "POST")], "").await;
    let seen = upstream.seen();
    assert_eq!(seen.len(), 4);
    assert!(!seen[3].headers.contains_key("x_http_method_override"));
}

#[tokio::test]
async fn exact_routes_compare_paths_as_before() {
    let (upstream, gateway) = start("match = \"exact\"").await;
    assert!(!pay(&gateway, "/v1/charges").await.is_replay());
    // An escape of an unreserved character makes another request, and not another operation.
    pay(&gateway, "/v1/ch%61rges").await.problem(422, "payload-mismatch", "no", "new-key");
    // This request goes to the wider route, and is no second operation there either.
    pay(&gateway, "/v1/Charges").await.problem(422, "payload-mismatch", "no", "new-key");
    assert_eq!(upstream.executions(), 1);
}

/// A retry may take another route than its first attempt, and is still the same request.
#[tokio::test]
async fn a_retry_is_compared_as_the_first_attempt_was() {
    let upstream = Upstream::start().await;
    let mut wide = Gateway::start(&upstream, Settings::default()).await;
    assert!(!pay(&wide, "/v1/Charges").await.is_replay());
    wide.kill().await;
    let gateway = wide.restart(&upstream, settings("")).await;
    assert!(pay(&gateway, "/v1/Charges").await.is_replay());
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn values_in_a_path_are_compared_as_sent() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    assert!(!pay(&gateway, "/v1/customers/cus_Ab").await.is_replay());
    assert!(pay(&gateway, "/v1/customers/cus_%41b/").await.is_replay());
    pay(&gateway, "/v1/customers/cus_aB").await.problem(422, "payload-mismatch", "no", "new-key");
    assert!(!pay(&gateway, "/v1/customers/cus_Ac").await.is_replay());
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test]
async fn what_changes_the_request_counts() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let send = async |key: &str, headers: &[(&str, &str)]| {
        let headers = [&[("idempotency-key", key)], headers].concat();
        request(gateway.address, "POST", "/v1/charges", &headers, "a").await
    };
    for (number, other) in [
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "PUT"),
        ("x-method-override", "DELETE"),
        ("content-encoding", "gzip"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k-{number}");
        assert_eq!(send(&key, &[other]).await.status, 201);
        assert!(send(&key, &[other]).await.is_replay());
        send(&key, &[]).await.problem(422, "payload-mismatch", "no", "new-key");
    }
    // These headers name another path for some servers. The gateway removes them from a client's request.
    send("rewritten", &[("x-original-url", "/admin"), ("x-rewrite-url", "/admin")]).await;
    let seen = upstream.seen().pop().expect("a request");
    assert!(!seen.headers.contains_key("x-original-url") && !seen.headers.contains_key("x-rewrite-url"));
}

#[tokio::test]
async fn a_call_of_grpc_is_refused_before_any_claim() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for kind in ["application/grpc", "application/grpc+proto", "Application/GRPC-Web"] {
        let mut connection = Connection::open(gateway.address).await;
        let headers = [("idempotency-key", "k"), ("content-type", kind)];
        connection.send(request_bytes("POST", "/v1/pay.Charges/Create", &headers, b"\0\0\0\0\0")).await;
        connection.answer().await.problem(415, "about:blank", "no", "never");
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (0, 0));
}
