//! Records that were made under earlier settings. What a client is told of them is true under later settings,
//! too.

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, post, request};
use crate::place::{Store, in_force, reload};
use crate::servers::redis;

/// Ends the gateway in an orderly way and starts it again with other settings.
async fn restarted(mut gateway: Gateway, upstream: &Upstream, settings: Settings) -> Gateway {
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    gateway.restart(upstream, settings).await
}

/// Sends a body without its length.
async fn chunked(gateway: &Gateway, key: &str, body: &str) -> Answer {
    let mut connection = Connection::open(gateway.address).await;
    let head = format!(
        "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: {key}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.send(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())).await;
    connection.answer().await
}

/// The limit is 1 KiB now, and was 16 KiB when the request ran.
async fn is_not_said_to_be_not_executed(gateway: &Gateway, body: &str) {
    let told = post(gateway.address, "/v1/charges", "k", body).await;
    told.problem(413, "request-too-large", "unknown", "never");
    chunked(gateway, "k", body).await.problem(413, "request-too-large", "unknown", "never");
    // No request of this size can have run.
    let larger = "x".repeat(20_000);
    let told = post(gateway.address, "/v1/charges", "larger", &larger).await;
    told.problem(413, "request-too-large", "no", "never");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_ran_under_a_higher_limit_is_not_said_to_be_not_executed() {
    let (upstream, body) = (Upstream::start().await, "x".repeat(5000));
    let limit = |limit: &str| Settings::default().server(&format!("request_body_limit = \"{limit}\""));
    let gateway = Gateway::start(&upstream, limit("16KiB")).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", &body).await.status, 201);
    let told = post(gateway.address, "/v1/charges", "larger", "x".repeat(20_000)).await;
    told.problem(413, "request-too-large", "no", "never");
    gateway.rewrite(|text| text.replace("16KiB", "1KiB"));
    in_force(&reload(&gateway).await);
    is_not_said_to_be_not_executed(&gateway, &body).await;
    // The store remembers it for as long as such a record may be there.
    let gateway = restarted(gateway, &upstream, limit("1KiB")).await;
    is_not_said_to_be_not_executed(&gateway, &body).await;
    gateway.rewrite(|text| text.replace("1KiB", "16KiB"));
    in_force(&reload(&gateway).await);
    assert!(post(gateway.address, "/v1/charges", "k", &body).await.is_replay());
    assert_eq!(upstream.executions(), 1);
}

/// A key in the body is read only if the body is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_with_its_key_is_not_said_to_be_not_executed() {
    let upstream = Upstream::start().await;
    let settings = Settings::route("key = { json = \"/id\" }").server("request_body_limit = \"16KiB\"");
    let gateway = Gateway::start(&upstream, settings).await;
    let body = format!("{{\"id\":\"k\",\"text\":\"{}\"}}", "x".repeat(5000));
    let json = [("content-type", "application/json")];
    let pay = || request(gateway.address, "POST", "/v1/charges", &json, &body);
    assert_eq!(pay().await.status, 201);
    gateway.rewrite(|text| text.replace("16KiB", "1KiB"));
    in_force(&reload(&gateway).await);
    pay().await.problem(413, "request-too-large", "unknown", "never");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_was_stored_is_replayed_under_a_lower_limit() {
    let upstream = Upstream::answering(|_| {
        let body = "y".repeat(900_000).into();
        http::Response::builder().status(201).body(body).expect("a response")
    })
    .await;
    let settings = |limit: &str| {
        Settings::route(&format!("max_response_body = \"{limit}\"")).server("max_in_flight = 4")
    };
    let gateway = Gateway::start(&upstream, settings("1MiB")).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    gateway.rewrite(|text| text.replace("1MiB", "20KiB"));
    in_force(&reload(&gateway).await);
    let replayed = async |gateway: &Gateway| {
        let answer = post(gateway.address, "/v1/charges", "k", "{}").await;
        assert!(answer.is_replay(), "{} {:?}", answer.status, answer.headers);
        assert_eq!(answer.body.len(), 900_000);
    };
    for _ in 0..3 {
        replayed(&gateway).await;
    }
    let gateway = restarted(gateway, &upstream, settings("20KiB")).await;
    replayed(&gateway).await;
    assert_eq!(upstream.executions(), 1);
}

/// Sends attempts until Redis has lived this many seconds after its loss. None of them may run.
async fn stays_stopped(gateway: &Gateway, upstream: &Upstream, server: &redis::Server, seconds: u64) {
    let now = || server.say::<(u64, u64)>("TIME").0;
    let (lost, executions) = (now(), upstream.executions());
    while now() <= lost + seconds {
        let told = post(gateway.address, "/v1/charges", "k", "{}").await;
        assert_eq!(told.status, 503, "{told:?}");
    }
    assert_eq!(upstream.executions(), executions);
    assert_eq!(gateway.stopped_for().await.as_deref(), Some("lost-data"));
}

const SHORT: &str = "ttl = \"1s\"\ntombstone_ttl = \"1s\"\nlease = \"1s\"";

/// Records with the longer ttl may be among those that were lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_ttl_does_not_shorten_the_hold_after_lost_data() {
    let (upstream, server) = (Upstream::start().await, redis::Server::start());
    let port = server.port;
    let settings = |route: &str| Settings::route(route).store(&format!("url = \"redis://127.0.0.1:{port}\""));
    let long = "ttl = \"24h\"";
    let gateway = Gateway::start(&upstream, settings(long)).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    gateway.rewrite(|text| text.replace(long, SHORT));
    in_force(&reload(&gateway).await);
    server.say::<()>("FLUSHALL");
    stays_stopped(&gateway, &upstream, &server, 3).await;
    drop(gateway);
    // The entries of a store bring the ttl over a restart, and to the other gateways of a fleet.
    for restarts in [true, false] {
        server.say::<()>("FLUSHALL");
        server.say::<()>("DEL oncegate:{00}:run");
        let first = Gateway::start(&upstream, settings(long)).await;
        let key = format!("k-{restarts}");
        let gateway = match restarts {
            true => restarted(first, &upstream, settings(SHORT)).await,
            false => Gateway::start(&upstream, settings(SHORT)).await,
        };
        assert_eq!(post(gateway.address, "/v1/charges", &key, "{}").await.status, 201);
        server.say::<()>("FLUSHALL");
        stays_stopped(&gateway, &upstream, &server, 3).await;
    }
}

/// A store of its own is not lost without notice, and a change of the ttl stops nothing there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_ttl_alone_stops_nothing() {
    for store in [Store::Embedded, Store::redis(), Store::postgres()] {
        let upstream = Upstream::start().await;
        let settings = Settings::route("ttl = \"24h\"").store(&store.lines());
        let gateway = Gateway::start(&upstream, settings).await;
        gateway.rewrite(|text| text.replace("ttl = \"24h\"", SHORT));
        in_force(&reload(&gateway).await);
        assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
        assert_eq!(gateway.stopped_for().await, None);
    }
}
