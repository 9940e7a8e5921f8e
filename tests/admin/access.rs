//! Access to the admin listener: the token, and the requests that a page in a browser cannot send.

use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use oncegate::admin::Access;

use crate::world::{Answer, World, token};

async fn with_authorization(world: &World, value: &str) -> Answer {
    let request = Request::get(world.url("/v1/records")).header(AUTHORIZATION, value);
    world.send(request, "").await
}

async fn with_host(world: &World, path: &str, host: &str) -> Answer {
    world.send(Request::get(world.url(path)).header(HOST, host), "").await
}

#[tokio::test]
async fn a_token_guards_the_records_and_nothing_else() {
    let world = World::guarded_by(token("s3cret")).await;
    for path in ["/v1/records", "/v1/lookup", "/v1/nothing"] {
        let answer = world.get(path).await;
        answer.problem(401, "about:blank");
        assert_eq!(answer.headers[WWW_AUTHENTICATE], "Bearer realm=\"oncegate\"");
    }
    for wrong in ["Bearer S3CRET", "Bearer s3cre", "Bearer s3crets", "Bearer ", "Basic s3cret", "s3cret", ""]
    {
        assert_eq!(with_authorization(&world, wrong).await.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    for right in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret"] {
        assert_eq!(with_authorization(&world, right).await.status, StatusCode::OK, "{right}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_good_under_any_host() {
    let world = World::guarded_by(token("s3cret")).await;
    let request = Request::get(world.url("/v1/records"))
        .header(HOST, "gateway.internal")
        .header(AUTHORIZATION, "Bearer s3cret");
    assert_eq!(world.send(request, "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_token_a_rebound_host_name_is_refused() {
    let world = World::start().await;
    let port = world.address.port();
    for host in [format!("evil.example:{port}"), format!("10.0.0.1:{port}")] {
        with_host(&world, "/v1/records", &host).await.problem(403, "about:blank");
        assert_eq!(with_host(&world, "/readyz", &host).await.status, StatusCode::OK, "{host}");
    }
    for host in [format!("localhost:{port}"), format!("[::1]:{port}")] {
        assert_eq!(with_host(&world, "/v1/records", &host).await.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn records_can_be_off() {
    let world = World::guarded_by(Access::Off).await;
    let detail = world.get("/v1/records").await.problem(403, "about:blank");
    assert!(detail.contains("no admin token"), "{detail}");
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(world.get("/metrics").await.status, StatusCode::OK);
}

/// A page can send these types with a form, or with a `fetch` that needs no permission, but it cannot send
/// `application/json`.
#[tokio::test]
async fn a_post_has_to_say_that_it_is_json() {
    let world = World::start().await;
    let execution = world.unknown("k-1").await;
    let body = r#"{"executed": true, "note": "a page in a browser says so"}"#;
    let url = world.url(&format!("/v1/records/{}/resolve", execution.id));
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let request = Request::post(&url).header(CONTENT_TYPE, content_type);
        world.send(request, body).await.problem(415, "about:blank");
    }
    world.send(Request::post(&url), body).await.problem(415, "about:blank");
    assert_eq!(world.show(execution.id).await["state"], "unknown");

    let request = Request::post(&url).header(CONTENT_TYPE, "Application/JSON; charset=utf-8");
    assert_eq!(world.send(request, body).await.json()["state"], "settled");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let world = World::start().await;
    let request = Request::post(world.url("/v1/lookup")).header(CONTENT_TYPE, "application/json");
    let answer = world.send(request, &" ".repeat(2 * 1024 * 1024 + 1)).await;
    answer.problem(413, "urn:oncegate:problem:request-too-large");
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems() {
    let world = World::start().await;
    for path in ["/", "/nothing", "/v1", "/v1/", "/v1/nothing", "/v1/records/", "/v1/records/a/b"] {
        world.get(path).await.problem(404, "about:blank");
    }
    for (method, path, allow) in [
        ("POST", "/healthz", "GET,HEAD"),
        ("PUT", "/metrics", "GET,HEAD"),
        ("POST", "/v1/records", "GET,HEAD"),
        ("GET", "/v1/lookup", "POST"),
        ("GET", "/v1/records/0/resolve", "POST"),
        ("PATCH", "/v1/records/0", "GET,HEAD,DELETE"),
    ] {
        let answer = world.send(Request::builder().method(method).uri(world.url(path)), "").await;
        answer.problem(405, "about:blank");
        assert_eq!(answer.headers[ALLOW], allow, "{method} {path}");
    }
}

#[tokio::test]
async fn nothing_about_records_is_kept_by_a_cache() {
    let world = World::start().await;
    let execution = world.completed("k-1", StatusCode::CREATED, "paid").await;
    for path in ["/v1/records".to_owned(), format!("/v1/records/{}", execution.id), "/v1/nothing".into()] {
        assert_eq!(world.get(&path).await.headers[CACHE_CONTROL], "no-store", "{path}");
    }
}
