//! Lookups by clients: a caller asks on the public listener what became of its key, and learns nothing of
//! the keys of others.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::tls::{Authority, connect};
use crate::harness::{Answer, Connection, Gateway, Http2, Settings, Upstream, request, request_bytes};

const ON: &str = "[lookup]\nenabled = true";
const PATH: &str = "/.well-known/idempotency/record";
/// The lookup of an operation on `/v1/charges`.
const CHARGES: &str = "/.well-known/idempotency/record?route=pay&path=/v1/charges";
const CALLER: (&str, &str) = ("authorization", "Bearer caller");

/// Starts a gateway with lookups in front of an upstream that answers with the status that the body names.
async fn gateway(more: &str) -> (Arc<Upstream>, Gateway) {
    let upstream = Upstream::answering(|seen| {
        let status: u16 = std::str::from_utf8(&seen.body).expect("text").parse().unwrap_or(201);
        Response::builder().status(status).body(Full::from(Bytes::from("stored-body"))).expect("a response")
    })
    .await;
    let settings = Settings::route("anonymous = \"refuse\"").more(&format!("{ON}\n{more}"));
    let gateway = Gateway::start(&upstream, settings).await;
    (upstream, gateway)
}

async fn pay(gateway: &Gateway, path: &str, key: &str, body: &str) -> Answer {
    request(gateway.address, "POST", path, &[("idempotency-key", key), CALLER], body).await
}

async fn ask(gateway: &Gateway, target: &str, headers: &[(&str, &str)]) -> Answer {
    request(gateway.address, "GET", target, headers, "").await
}

/// Looks up a key of the caller on `/v1/charges`.
async fn look_up(gateway: &Gateway, key: &str) -> Answer {
    ask(gateway, CHARGES, &[("idempotency-key", key), CALLER]).await
}

/// Returns an answer without its date, the only part that time changes.
fn undated(mut answer: Answer) -> Answer {
    answer.headers.retain(|(name, _)| name != "date");
    answer
}

/// Returns the number of reads that the store was asked for.
async fn reads(gateway: &Gateway) -> u64 {
    gateway.metric("oncegate_store_duration_seconds_count{op=\"read\"}").await
}

async fn resolve(gateway: &Gateway, id: &str, executed: bool) {
    let path = format!("/v1/records/{id}/resolve");
    let decision = json!({ "executed": executed, "note": "a test", "force": true });
    assert_eq!(gateway.admin_post(&path, &decision).await.status, 200);
}

#[tokio::test]
async fn each_state_is_told_without_the_response() {
    let (upstream, gateway) = gateway("").await;
    upstream.hold();
    let mut running = Connection::open(gateway.address).await;
    let headers = [("idempotency-key", "k"), CALLER];
    running.send(request_bytes("POST", "/v1/charges", &headers, b"201")).await;
    upstream.reached(1).await;
    let told = look_up(&gateway, "k").await.json();
    assert_eq!((&told["state"], &told["status"]), (&json!("running"), &Value::Null), "{told}");
    assert_eq!(told["expires_at"], Value::Null, "{told}");
    upstream.let_go();
    let paid = running.answer().await;

    let answer = look_up(&gateway, "k").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("idempotency-record"), paid.header("idempotency-record"));
    let told = answer.json();
    let mut members: Vec<&String> = told.as_object().expect("an object").keys().collect();
    members.sort();
    assert_eq!(members, ["created_at", "expires_at", "state", "status", "updated_at"]);
    assert_eq!((&told["state"], &told["status"]), (&json!("completed"), &json!(201)), "{told}");
    let id = paid.header("idempotency-record").expect("a record");
    let shown = gateway.admin_get(&format!("/v1/records/{id}")).await.json();
    for time in ["created_at", "updated_at", "expires_at"] {
        assert_eq!(told[time], shown[time], "{time}");
    }

    for (key, decision) in [("held", None), ("was-run", Some(true)), ("was-not-run", Some(false))] {
        let lost = pay(&gateway, "/v1/charges", key, "503").await;
        assert_eq!(lost.status, 503);
        if let Some(executed) = decision {
            resolve(&gateway, lost.header("idempotency-record").expect("a record"), executed).await;
        }
        let state = match decision {
            None => "unknown",
            Some(true) => "settled",
            Some(false) => "cleared",
        };
        let told = look_up(&gateway, key).await.json();
        assert_eq!((&told["state"], &told["status"]), (&json!(state), &Value::Null), "{told}");
        assert!(told["expires_at"].is_string(), "{told}");
    }
    assert_eq!(gateway.admin_delete(&format!("/v1/records/{id}")).await.status, 200);
    let told = look_up(&gateway, "k").await.json();
    assert_eq!((&told["state"], &told["status"]), (&json!("expired"), &Value::Null), "{told}");
}

/// A foreign key and one that was never used get the same bytes, after the same work.
#[tokio::test]
async fn a_foreign_key_looks_like_one_that_was_never_used() {
    let (upstream, gateway) = gateway("").await;
    for (key, body) in [("completed", "201"), ("unknown", "503")] {
        pay(&gateway, "/v1/charges", key, body).await;
    }
    let never = undated(look_up(&gateway, "never").await);
    assert_eq!((never.status, never.json()), (404, json!({ "state": "absent" })));
    assert_eq!(never.header("cache-control"), Some("no-store"));
    assert_eq!(never.header("idempotency-record"), None);
    for (key, caller) in [
        ("completed", ("authorization", "Bearer other")),
        ("unknown", ("authorization", "Bearer other")),
        ("completed", ("x-api-key", "Bearer caller")),
        ("never", ("authorization", "Bearer other")),
    ] {
        let before = reads(&gateway).await;
        let told = undated(ask(&gateway, CHARGES, &[("idempotency-key", key), caller]).await);
        assert_eq!((told, reads(&gateway).await - before), (never.clone(), 1), "{key} {caller:?}");
    }
    for key in ["completed", "unknown", "never"] {
        let before = reads(&gateway).await;
        look_up(&gateway, key).await;
        assert_eq!(reads(&gateway).await - before, 1, "{key}");
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (2, 2));
}

#[tokio::test]
async fn the_key_is_read_as_on_a_request() {
    let (_, gateway) = gateway("").await;
    pay(&gateway, "/v1/charges", "order-1", "201").await;
    for same in ["order-1", "\"order-1\""] {
        assert_eq!(look_up(&gateway, same).await.json()["state"], "completed", "{same}");
    }
    for broken in ["a b", "\"a", "a, b", "\"a\";p=1", ""] {
        look_up(&gateway, broken).await.problem(400, "key-invalid", "unknown", "never");
    }
    let twice = [("idempotency-key", "order-1"), ("idempotency-key", "order-1"), CALLER];
    ask(&gateway, CHARGES, &twice).await.problem(400, "key-invalid", "unknown", "never");
    let nominated = [("idempotency-key", "order-1"), ("connection", "idempotency-key"), CALLER];
    ask(&gateway, CHARGES, &nominated).await.problem(400, "key-invalid", "unknown", "never");
    let mimic = [("idempotency_key", "order-1"), CALLER];
    ask(&gateway, CHARGES, &mimic).await.problem(400, "key-missing", "unknown", "never");
    ask(&gateway, CHARGES, &[CALLER]).await.problem(400, "key-missing", "unknown", "never");
    let unnamed = ask(&gateway, CHARGES, &[("idempotency-key", "order-1")]).await;
    unnamed.problem(400, "caller-unknown", "unknown", "same-key");
    let nominated = [("idempotency-key", "order-1"), ("connection", "authorization"), CALLER];
    assert_eq!(ask(&gateway, CHARGES, &nominated).await.status, 400);
}

/// A key that a body may hold is looked up in a header of the route's keys, or in the usual one.
#[tokio::test]
async fn a_key_in_a_body_is_looked_up_in_a_header() {
    let event = "[[routes]]\nname = \"event\"\npath = \"/events\"\nupstream = \"payments\"\n\
                 key = { first = [{ header = \"X-Event-Id\" }, { json = \"/id\" }] }";
    let (_, gateway) = gateway(event).await;
    let headers = [("content-type", "application/json"), CALLER];
    let paid = request(gateway.address, "POST", "/events", &headers, "{\"id\":17}").await;
    assert_eq!(paid.status, 201);
    let target = format!("{PATH}?route=event");
    for name in ["x-event-id", "idempotency-key"] {
        let found = ask(&gateway, &target, &[(name, "17"), CALLER]).await;
        assert_eq!(found.header("idempotency-record"), paid.header("idempotency-record"), "{name}");
        assert_eq!(ask(&gateway, &target, &[(name, "18"), CALLER]).await.status, 404, "{name}");
    }
    let both = [("x-event-id", "17"), ("idempotency-key", "18"), CALLER];
    assert_eq!(ask(&gateway, &target, &both).await.status, 200, "in the order of the route");
    let told = ask(&gateway, &target, &[CALLER]).await.problem(400, "key-missing", "unknown", "never");
    let detail = told["detail"].as_str().expect("a text");
    assert!(detail.contains("the x-event-id header or the idempotency-key header"), "{detail}");
}

#[tokio::test]
async fn the_path_counts_as_on_a_request() {
    let other = "[[routes]]\nname = \"refund\"\npath = \"/v1/refunds\"\nupstream = \"payments\"\n\
                 key = { header = \"x-refund-key\" }";
    let (_, gateway) = gateway(other).await;
    pay(&gateway, "/v1/charges/cus_Ab", "k", "201").await;
    let headers = [("idempotency-key", "k"), CALLER];
    let state = async |path: &str| {
        let target = format!("{PATH}?path={path}&route=pay");
        ask(&gateway, &target, &headers).await.json()["state"].clone()
    };
    for spelling in ["/v1/charges/cus_Ab", "%2Fv1%2Fcharges%2Fcus_Ab", "/V1//charges/./cus%255FAb/"] {
        assert_eq!(state(spelling).await, "completed", "{spelling}");
    }
    assert_eq!(state("/v1/charges/cus_Ac").await, "absent");
    for wrong in [
        "",
        "v1/charges",
        "/v1/a%3Fb=1",
        "/v1/a%23b",
        "/v1/a+b",
        "/v2/charges",
        "/v1/refunds",
        "/v1/a%252Fb/..",
    ] {
        let told = ask(&gateway, &format!("{PATH}?path={wrong}&route=pay"), &headers).await;
        assert!(
            told.problem(400, "about:blank", "unknown", "never")["detail"].to_string().contains("path"),
            "{wrong}"
        );
    }
    let told = ask(&gateway, &format!("{PATH}?route=pay"), &headers).await;
    told.problem(400, "about:blank", "unknown", "never");
    // A route without parameters has a single path, and its own key header.
    request(gateway.address, "PATCH", "/v1/refunds/", &[("x-refund-key", "r"), CALLER], "200").await;
    for query in ["route=refund", "route=refund&path=/v1/refunds", "route=refund&path=/v1/Refunds/"] {
        let told = ask(&gateway, &format!("{PATH}?{query}"), &[("x-refund-key", "r"), CALLER]).await;
        assert_eq!((told.status, &told.json()["status"]), (200, &json!(200)), "{query}");
    }
    let told = ask(&gateway, &format!("{PATH}?route=refund"), &[("idempotency-key", "r"), CALLER]).await;
    assert!(
        told.problem(400, "key-missing", "unknown", "never")["detail"].to_string().contains("x-refund-key")
    );
}

#[tokio::test]
async fn wrong_questions_are_explained() {
    let (upstream, gateway) = gateway("[fallback]\nupstream = \"payments\"").await;
    pay(&gateway, "/v1/charges", "k", "201").await;
    let headers = [("idempotency-key", "k"), CALLER];
    for query in
        ["", "?", "?route=pay&route=pay", "?path=/v1/a&path=/v1/b&route=pay", "?route=pay&path=/v1/a&key=k"]
    {
        let told = ask(&gateway, &format!("{PATH}{query}"), &headers).await;
        let detail = told.problem(400, "about:blank", "unknown", "never")["detail"].to_string();
        assert!(detail.contains("`route`") && detail.contains("header"), "{query}: {detail}");
    }
    for route in ["nothing", "", "pay%00", "PAY"] {
        let told = ask(&gateway, &format!("{PATH}?route={route}&path=/v1/charges"), &headers).await;
        told.problem(404, "no-route", "unknown", "never");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let told = request(gateway.address, method, CHARGES, &headers, "x").await;
        told.problem(405, "about:blank", "unknown", "never");
        assert_eq!(told.header("allow"), Some("GET, HEAD"), "{method}");
    }
    // A HEAD has the head of a GET.
    let mut connection = Connection::open(gateway.address).await;
    for key in ["k", "never"] {
        let get = undated(look_up(&gateway, key).await);
        let asked = request_bytes("HEAD", CHARGES, &[("idempotency-key", key), CALLER], b"");
        connection.send(asked).await;
        let head = connection.head().await;
        assert_eq!((head.status, undated(head).headers), (get.status, get.headers), "{key}");
    }
    assert_eq!(upstream.executions(), 1, "the path leads to no upstream");
}

/// The answer to a HEAD has no body. Over HTTP/2, the client would take a body for an error.
#[tokio::test]
async fn a_head_is_answered_over_http2() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().server("http2 = true").more(ON)).await;
    let client = Http2::open(gateway.address).await;
    let key = ("idempotency-key", "k");
    for (path, headers, status) in
        [(CHARGES, vec![key], 404), (CHARGES, vec![], 400), (PATH, vec![key], 400), ("/nowhere", vec![], 404)]
    {
        let target = format!("http://api.example{path}");
        let get = client.request("GET", &target, &headers, "").await.expect("an answer");
        let head = client.request("HEAD", &target, &headers, "").await.expect("an answer");
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()), "{path}");
    }
}

#[tokio::test]
async fn lookups_are_counted_and_logged_without_the_key() {
    let (_, gateway) = gateway("").await;
    let id = pay(&gateway, "/v1/charges", "s3cret-key", "201").await;
    let id = id.header("idempotency-record").expect("a record").to_owned();
    for key in ["s3cret-key", "s3cret-never", "s3cret other"] {
        look_up(&gateway, key).await;
    }
    let line: Value = serde_json::from_str(&gateway.logs("\"lookup\"").await).expect("JSON");
    assert_eq!((&line["path"], &line["route"]), (&json!(PATH), &json!("pay")), "{line}");
    assert_eq!((&line["record"], &line["status"]), (&json!(id), &json!(200)), "{line}");
    for outcome in ["completed", "lookup", "lookup-absent", "key-invalid"] {
        gateway.logs(&format!("\"{outcome}\"")).await;
        let counted = format!("oncegate_requests_total{{route=\"pay\",outcome=\"{outcome}\"}} 1");
        assert!(gateway.shows(&counted).await, "{counted}");
    }
    let log = gateway.log();
    assert!(!log.contains("s3cret") && !log.contains("Bearer") && !log.contains("stored-body"), "{log}");
}

#[tokio::test]
async fn without_the_setting_the_path_is_like_any_other() {
    let upstream = Upstream::start().await;
    let settings = Settings::default().more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, settings).await;
    assert_eq!(look_up(&gateway, "k").await.status, 201);
    assert_eq!(upstream.seen()[0].path, CHARGES);
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    look_up(&gateway, "k").await.problem(404, "no-route", "unknown", "never");
}

#[tokio::test]
async fn a_certificate_is_part_of_the_caller() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let tls = format!(
        "tls = {{ {}, client_ca = \"{}\" }}",
        authority.certify("server").keys(),
        authority.ca.display()
    );
    let settings = Settings::route("anonymous = \"refuse\"").server(&tls).more(ON);
    let gateway = Gateway::start(&upstream, settings).await;
    let mut told = Vec::new();
    for (file, subject) in [("one", "merchant-1"), ("two", "merchant-2"), ("again", "merchant-1")] {
        let client = authority.certify_client(file, Some(subject), "a.example");
        let connector = authority.client(Some(&client), &["http/1.1"]);
        let stream = connect(&connector, gateway.address.port()).await.expect("a handshake");
        let mut connection = Connection::over(stream);
        let headers = [("idempotency-key", "k")];
        if file == "one" {
            connection.send(request_bytes("POST", "/v1/charges", &headers, b"a")).await;
            assert_eq!(connection.answer().await.status, 201);
        }
        connection.send(request_bytes("GET", CHARGES, &headers, b"")).await;
        told.push(connection.answer().await.json()["state"].clone());
    }
    assert_eq!(told, ["completed", "absent", "completed"]);
}
