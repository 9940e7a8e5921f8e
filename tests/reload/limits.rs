//! Limits and settings of the listener that a reload changes.

use crate::harness::{Gateway, Settings, Upstream, post, request};
use crate::place::{in_force, reload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_executions_follows_in_both_directions() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().server("max_in_flight = 1")).await;
    let address = gateway.address;
    upstream.hold();
    let pay = |key: &'static str| tokio::spawn(async move { post(address, "/v1/charges", key, "{}").await });
    let first = pay("one");
    upstream.reached(1).await;
    assert_eq!(post(address, "/v1/charges", "two", "{}").await.status, 503, "overloaded");
    gateway.rewrite(|text| text.replace("max_in_flight = 1", "max_in_flight = 3"));
    in_force(&reload(&gateway).await);
    let (second, third) = (pay("two"), pay("three"));
    upstream.reached(3).await;
    gateway.rewrite(|text| text.replace("max_in_flight = 3", "max_in_flight = 2"));
    in_force(&reload(&gateway).await);
    assert_eq!(post(address, "/v1/charges", "four", "{}").await.status, 503, "three run, two may");
    upstream.let_go();
    for running in [first, second, third] {
        assert_eq!(running.await.expect("no panic").status, 201);
    }
    assert_eq!(post(address, "/v1/charges", "four", "{}").await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_of_bodies_follow() {
    let upstream = Upstream::start().await;
    let settings = Settings::route("max_response_body = \"1KiB\"").server("request_body_limit = \"1KiB\"");
    let gateway = Gateway::start(&upstream, settings).await;
    let body = "x".repeat(100_000);
    assert_eq!(post(gateway.address, "/v1/charges", "k", &body).await.status, 413);
    gateway.rewrite(|text| text.replace("request_body_limit = \"1KiB\"", "request_body_limit = \"1MiB\""));
    in_force(&reload(&gateway).await);
    assert_eq!(post(gateway.address, "/v1/charges", "k", &body).await.status, 201);
    gateway.rewrite(|text| text.replace("request_body_limit = \"1MiB\"", "request_body_limit = \"2KiB\""));
    in_force(&reload(&gateway).await);
    assert_eq!(post(gateway.address, "/v1/charges", "other", &body).await.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn larger_responses_are_kept_and_replayed() {
    let upstream = Upstream::answering(|_| {
        let body = "y".repeat(200_000).into();
        http::Response::builder().status(201).body(body).expect("a response")
    })
    .await;
    let gateway = Gateway::start(&upstream, Settings::route("max_response_body = \"1KiB\"")).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 410, "not retained");
    gateway.rewrite(|text| text.replace("max_response_body = \"1KiB\"", "max_response_body = \"1MiB\""));
    in_force(&reload(&gateway).await);
    for _ in 0..3 {
        let answer = post(gateway.address, "/v1/charges", "large", "{}").await;
        assert_eq!((answer.status, answer.body.len()), (201, 200_000));
    }
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origins_and_problem_shapes_follow() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("key = { required = true }")).await;
    let origin = [("origin", "https://shop.example"), ("content-type", "application/json")];
    let refused = request(gateway.address, "POST", "/v1/charges", &origin, "{}").await;
    assert_eq!(refused.header("access-control-allow-origin"), None);
    gateway.rewrite(|text| {
        text.replacen("[server]\n", "[server]\ncors = { origins = [\"https://shop.example\"] }\n", 1)
            .replace("name = \"pay\"", "name = \"pay\"\nproblems = \"stripe\"\nunknown_answers = \"problem\"")
    });
    in_force(&reload(&gateway).await);
    let refused = request(gateway.address, "POST", "/v1/charges", &origin, "{}").await;
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://shop.example"), "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert_eq!(refused.json()["error"]["code"], "key_missing", "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_and_the_fallback_follow() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let get = |path: &'static str| request(gateway.address, "GET", path, &[], "");
    assert_eq!(get("/.well-known/idempotency").await.status, 404);
    assert_eq!(get("/other").await.status, 404);
    gateway.rewrite(|text| {
        text.replacen(
            "[[routes]]",
            "[lookup]\nenabled = true\n[fallback]\nupstream = \"payments\"\n[[routes]]",
            1,
        )
    });
    in_force(&reload(&gateway).await);
    assert_eq!(get("/.well-known/idempotency").await.status, 200);
    assert_eq!(get("/other").await.status, 201);
}

/// The drain looks at the configuration in force.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drain_follows() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default().server("drain_timeout = \"1h\"")).await;
    gateway.rewrite(|text| text.replace("drain_timeout = \"1h\"", "drain_timeout = \"100ms\""));
    in_force(&reload(&gateway).await);
    upstream.hold();
    let address = gateway.address;
    let running = tokio::spawn(async move { post(address, "/v1/charges", "k", "{}").await });
    upstream.reached(1).await;
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(running.await.expect("no panic").status, 504);
}
