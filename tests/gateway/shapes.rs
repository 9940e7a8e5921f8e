//! Problems in the shapes of routes: every one that a client can cause, over HTTP/1.1 and HTTP/2, in Stripe's
//! shape and in one of an operator's own.

use std::sync::Arc;

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use self::world::{Client, Language, World};
use super::faults::{broken_upstream, corrupt};
use crate::harness::{Connection, Gateway, Http2, Settings, Upstream, post, request, request_bytes};

mod world;

const KEYED: [(&str, &str); 2] = [("authorization", "Bearer sk"), ("idempotency-key", "k-1")];

fn keyed(key: &str) -> [(&str, &str); 2] {
    [KEYED[0], ("idempotency-key", key)]
}

/// Problems before the claim.
async fn refused_before_a_claim(world: &World, client: &Client) {
    let Language { told, .. } = *world.language;
    let ask = async |path: &str, headers: &[(&str, &str)], body: &str| client.ask(path, headers, body).await;
    told(&ask("/v1/ok", &KEYED[..1], "a").await, 400, "key-missing", "no", "new-key");
    told(&ask("/v1/ok", &keyed("a,b"), "a").await, 400, "key-invalid", "no", "new-key");
    told(&ask("/v1/ok", &KEYED[1..], "a").await, 400, "caller-unknown", "unknown", "same-key");
    let long = "a".repeat(2000);
    told(&ask("/v1/ok", &KEYED, &long).await, 413, "request-too-large", "no", "never");
    let grpc = [KEYED[0], KEYED[1], ("content-type", "application/grpc")];
    told(&ask("/v1/ok", &grpc, "a").await, 415, "http-error", "no", "never");
    // A key in the header of another route, which protects nothing here.
    let elsewhere = [("x-other-key", "k")];
    told(&ask("/quick/ok", &elsewhere, "a").await, 404, "no-route", "unknown", "never");
    assert_eq!((world.upstream.executions(), world.gateway.record_count().await), (0, 0));
}

/// Problems about a record.
async fn answered_from_a_record(world: &World, client: &Client) {
    let Language { told, mismatch, expired, .. } = *world.language;
    let ask = async |path: &str, headers: &[(&str, &str)], body: &str| client.ask(path, headers, body).await;
    assert_eq!(ask("/v1/ok", &keyed("m"), "a").await.status, 201);
    assert_eq!(ask("/v1/ok", &keyed("m"), "a").await.header("idempotent-replayed"), Some("true"));
    told(&ask("/v1/ok", &keyed("m"), "b").await, mismatch, "payload-mismatch", "no", "new-key");

    assert_eq!(ask("/v1/large", &keyed("l"), "a").await.status, 201);
    let large = told(&ask("/v1/large", &keyed("l"), "a").await, 410, "response-not-retained", "yes", "never");
    assert_eq!(large["original_status"], 201);
    let heads = told(&ask("/v1/heads", &keyed("h"), "a").await, 502, "answer-unusable", "yes", "never");
    assert_eq!(heads["original_status"], 201);

    let busy = told(&ask("/v1/busy", &keyed("b"), "a").await, 504, "outcome-unknown", "unknown", "never");
    assert_eq!(busy["original_status"], 503);
    told(&ask("/v1/busy", &keyed("b"), "a").await, 409, "outcome-unknown", "unknown", "never");
    told(&ask("/v1/busy", &keyed("b"), "b").await, mismatch, "payload-mismatch", "no", "never");
    let record = world.gateway.record_in("unknown").await;
    let resolve = format!("/v1/records/{}/resolve", record["id"].as_str().expect("an id"));
    let body = json!({ "executed": true, "note": "seen in the ledger" });
    assert_eq!(world.gateway.admin_post(&resolve, &body).await.status, 200);
    let settled = told(&ask("/v1/busy", &keyed("b"), "a").await, 409, "outcome-settled", "yes", "never");
    assert_eq!(settled["record"], record["id"]);

    assert_eq!(ask("/quick/ok", &keyed("e"), "a").await.status, 201);
    let told_last = loop {
        let answer = ask("/quick/ok", &keyed("e"), "a").await;
        if !answer.is_replay() {
            break answer;
        }
    };
    told(&told_last, expired, "key-expired", "yes", "never");
}

/// Problems of attempts that wait, or for which there is no room.
async fn while_one_runs(world: &World, client: &Client) {
    let Language { told, in_flight, .. } = *world.language;
    world.upstream.hold();
    let held = world.upstream.executions();
    let attempt = |path: &'static str, key: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.ask(path, &keyed(key), "a").await })
    };
    let first = attempt("/waiting/busy", "w");
    world.upstream.reached(held + 1).await;
    let waiter = attempt("/waiting/busy", "w");
    world.duplicates("waiting", 1).await;
    told(&client.ask("/v1/ok", &keyed("o"), "a").await, 503, "overloaded", "unknown", "same-key");
    world.upstream.let_go();
    for attempt in [first, waiter] {
        let answer = attempt.await.expect("no panic");
        told(&answer, 504, "outcome-unknown", "unknown", "never");
    }

    world.upstream.hold();
    let first = attempt("/v1/ok", "f");
    world.upstream.reached(held + 2).await;
    let again = client.ask("/v1/ok", &keyed("f"), "a").await;
    told(&again, in_flight, "in-flight", "unknown", "same-key");
    world.upstream.let_go();
    assert_eq!(first.await.expect("no panic").status, 201);
}

/// Problems of an upstream without a listener, of keyed and of unprotected requests.
async fn unreachable(world: &World, client: &Client) {
    let told = world.language.told;
    for headers in [&KEYED[..], &KEYED[..1]] {
        let answer = client.ask("/dead/ok", headers, "a").await;
        told(&answer, 502, "upstream-unreachable", "no", "same-key");
    }
}

async fn every_problem(language: &'static Language) {
    for over_http2 in [false, true] {
        let world = World::start(language).await;
        let client = match over_http2 {
            false => Client::One(world.gateway.address),
            true => Client::Two(Http2::open(world.gateway.address).await),
        };
        refused_before_a_claim(&world, &client).await;
        unreachable(&world, &client).await;
        answered_from_a_record(&world, &client).await;
        while_one_runs(&world, &client).await;
    }
}

#[tokio::test]
async fn every_problem_in_stripes_shape() {
    every_problem(&world::STRIPE).await;
}

#[tokio::test]
async fn every_problem_in_a_shape_of_ones_own() {
    every_problem(&world::OWN).await;
}

/// The store takes no claims, and the disk has a record that cannot be read.
#[tokio::test]
async fn problems_of_the_store_have_the_shape_of_the_route() {
    for language in [&world::STRIPE, &world::OWN] {
        let upstream = Upstream::start().await;
        let settings = language.small();
        let mut gateway = Gateway::start(&upstream, settings.clone()).await;
        post(gateway.address, "/v1/charges", "k-1", "a").await;
        let id = gateway.records("completed").await[0]["id"].as_str().expect("an id").to_owned();
        gateway.terminate().await;
        assert_eq!(gateway.ended().await, Some(0));
        corrupt(&gateway.data(), &id);
        let later =
            humantime::format_rfc3339(std::time::SystemTime::now() + std::time::Duration::from_secs(60));
        let settings = settings.env("ONCEGATE_NOT_BEFORE", &later.to_string());
        let gateway = gateway.restart(&upstream, settings).await;
        let refused = post(gateway.address, "/v1/charges", "k-2", "a").await;
        (language.told)(&refused, 503, "store-unavailable", "unknown", "same-key");
        let unreadable = post(gateway.address, "/v1/charges", "k-1", "a").await;
        let members = (language.told)(&unreadable, 500, "record-unreadable", "unknown", "never");
        assert_eq!(members["record"], id);
        assert_eq!(upstream.executions(), 1);
    }
}

/// A body that does not arrive, and an unprotected request that was sent and not answered.
#[tokio::test]
async fn problems_without_a_slug_of_their_own_have_the_shape_of_the_route() {
    for language in [&world::STRIPE, &world::OWN] {
        let upstream = Upstream::start().await;
        let (silent, _) = broken_upstream(b"").await;
        let settings = language.small().server("body_read_timeout = \"100ms\"");
        let gateway = Gateway::start(&upstream, Settings { address: Some(silent), ..settings }).await;
        let mut slow = Connection::open(gateway.address).await;
        let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\nidempotency-key: k\r\ncontent-length: 9\r\n\r\n";
        slow.send(format!("{head}abc")).await;
        let answer = slow.answer().await;
        (language.told)(&answer, 408, "http-error", "unknown", "same-key");
        assert_eq!(answer.header("connection"), Some("close"));
        let lost = request(gateway.address, "POST", "/v1/charges", &[], "a").await;
        (language.told)(&lost, 504, "http-error", "unknown", "never");
    }
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_in_the_shape_of_the_route() {
    for language in [&world::STRIPE, &world::OWN] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::start(&upstream, language.small()).await;
        upstream.hold();
        let address = gateway.address;
        let running = tokio::spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
        upstream.reached(1).await;
        let mut late = Connection::open(address).await;
        let headers = [("idempotency-key", "k-2"), ("expect", "100-continue")];
        let mut head = request_bytes("POST", "/v1/charges", &headers, b"a");
        let body = head.split_off(head.len() - 1);
        late.send(head).await;
        let mut interim = [0; 25];
        late.stream.read_exact(&mut interim).await.expect("an interim answer");
        gateway.terminate().await;
        gateway.logs("draining").await;
        late.send(body).await;
        (language.told)(&late.answer().await, 503, "shutting-down", "unknown", "same-key");
        upstream.let_go();
        assert_eq!(running.await.expect("no panic").status, 201);
    }
}

/// A shape belongs to a route. Refusals of the server and of the table, and lookups, have the usual one.
#[tokio::test]
async fn what_no_route_covers_has_the_usual_shape() {
    let upstream = Upstream::start().await;
    let settings = world::STRIPE.small().more("[lookup]\nenabled = true");
    let gateway = Gateway::start(&upstream, settings).await;
    let ask = async |path: &str| request(gateway.address, "POST", path, &KEYED, "a").await;
    ask("/elsewhere").await.problem(404, "no-route", "unknown", "never");
    ask("/v1%2Fcharges").await.problem(404, "no-route", "unknown", "never");
    let lookup = "/.well-known/idempotency/record?route=none";
    let lookup = request(gateway.address, "GET", lookup, &KEYED, "").await;
    lookup.problem(404, "no-route", "unknown", "never");
    let mut connection = Connection::open(gateway.address).await;
    connection.send("POST /v1/charges HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 0\r\n\r\n").await;
    connection.answer().await.problem(400, "about:blank", "unknown", "never");
    assert_eq!(upstream.executions(), 0);
}

/// A request in a shape that repeats no header, or without that header, gets none.
#[tokio::test]
async fn only_named_headers_of_the_request_are_repeated() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, world::OWN.small()).await;
    let ask =
        async |headers: &[(&str, &str)]| request(gateway.address, "POST", "/v1/charges", headers, "a").await;
    let invalid = ("idempotency-key", "a,b");
    let sent = [invalid, ("x-request-id", "r-1"), ("x-request-id", "r-2"), ("x-other", "o")];
    let told = ask(&sent).await;
    assert_eq!((told.all("x-request-id"), told.header("x-other")), (vec!["r-1", "r-2"], None));
    assert_eq!(ask(&[invalid]).await.header("x-request-id"), None);
    let nominated = [invalid, ("x-request-id", "r"), ("connection", "x-request-id")];
    assert_eq!(ask(&nominated).await.header("x-request-id"), None);
    // The first answer and its replay are the upstream's.
    let keyed = [("idempotency-key", "k"), ("x-request-id", "r")];
    assert_eq!(ask(&keyed).await.header("x-request-id"), None);
    assert!(ask(&keyed).await.is_replay());
}

/// A webhook's sender reads nothing but the status.
#[tokio::test]
async fn a_sender_of_webhooks_is_told_that_its_event_was_taken() {
    let upstream = Upstream::start().await;
    let settings = Settings::route("problems = \"webhook\"\nttl = \"200ms\"\nlease = \"100ms\"")
        .more("[problems.webhook]\nstatus = { key-expired = 200 }");
    let gateway = Gateway::start(&upstream, settings).await;
    let told = loop {
        let told = post(gateway.address, "/v1/hooks", "evt-1", "a").await;
        if told.status == 200 {
            break told;
        }
        assert_eq!(told.status, 201);
    };
    let members = told.problem(200, "key-expired", "yes", "never");
    assert!(members["record"].is_string());
    assert_eq!(upstream.executions(), 1);
}

/// XML, a form and plain text, with values that would leave their place.
#[tokio::test]
async fn other_formats_are_told_with_their_escapes() {
    let upstream = Upstream::start().await;
    for (content_type, body, expected) in [
        ("application/xml", "<e c='{status}'>{detail}</e>", "<e c='400'>x-&apos;-key: the header holds"),
        (
            "application/x-www-form-urlencoded",
            "status={status}&why={detail}",
            "status=400&why=x-%27-key%3A+the+header+holds",
        ),
        (
            "text/plain; charset=utf-8",
            "{status} {slug}: {detail}",
            "400 key-invalid: x-'-key: the header holds",
        ),
    ] {
        let settings = Settings::route("problems = \"own\"\nkey = { header = \"X-'-Key\" }")
            .more(&format!("[problems.own]\ncontent_type = {content_type:?}\nbody = {body:?}"));
        let gateway = Gateway::start(&upstream, settings).await;
        let told = request(gateway.address, "POST", "/v1/charges", &[("x-'-key", "a,b")], "a").await;
        assert_eq!((told.status, told.header("content-type")), (400, Some(content_type)));
        assert!(told.text().starts_with(expected), "{}", told.text());
        assert_eq!(told.header("idempotency-executed"), Some("no"));
    }
}
