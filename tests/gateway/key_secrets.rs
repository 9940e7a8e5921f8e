//! What is told of a key in the body: its record to callers and operators that may ask for it, and never its
//! text.

use std::path::Path;

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::tls::{Authority, connect};
use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, contains, request, request_bytes};

const CALLER: (&str, &str) = ("authorization", "Bearer caller");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ROUTE: &str = "anonymous = \"refuse\"\nkey = { json = [\"/merchant\", \"/order\"] }\n\
                     label = [\"json:/metadata/invoice\"]";
const BODY: &str = "merchant=canary%3A1&order=canary-2&metadata[invoice]=i-5";
/// The key as it is sent to the upstream.
const JOINED: &str = "canary%3A1:canary-2";

/// Timeouts of the upstream after which an execution counts as over.
const SHORT: &str = "connect_timeout = \"200ms\"\nresponse_timeout = \"500ms\"";

/// Returns the output of `oncegate records` with these arguments.
async fn records(gateway: &Gateway, arguments: &[&str]) -> String {
    let ran = Command::new(env!("CARGO_BIN_EXE_oncegate"))
        .arg("records")
        .args(arguments)
        .args(["--admin", &format!("http://{}", gateway.admin)])
        .env_remove("ONCEGATE_ADMIN_TOKEN")
        .output()
        .await
        .expect("it runs");
    String::from_utf8([ran.stdout, ran.stderr].concat()).expect("text")
}

#[tokio::test]
async fn the_record_of_a_joined_key_is_found_and_its_text_is_nowhere() {
    let refusing = |_| Response::builder().status(503).body(Full::from("refused")).expect("a response");
    let upstream = Upstream::answering(refusing).await;
    let settings = Settings::route(ROUTE).more("[lookup]\nenabled = true");
    let gateway = Gateway::start(&upstream, settings).await;
    let lost = request(gateway.address, "POST", "/v1/charges", &[FORM, CALLER], BODY).await;
    assert_eq!((lost.status, lost.header("idempotency-outcome")), (503, Some("unknown")));
    let id = lost.header("idempotency-record").expect("a record").to_owned();
    assert_eq!(upstream.seen()[0].header("idempotency-key"), JOINED);
    let again = request(gateway.address, "POST", "/v1/charges", &[FORM, CALLER], BODY).await;
    again.problem(409, "outcome-unknown", "unknown", "never");
    let broken = request(gateway.address, "POST", "/v1/charges", &[FORM, CALLER], "order=canary+3").await;
    broken.problem(400, "key-invalid", "no", "new-key");

    let lookup = json!({
        "route": "pay", "path": "/v1/charges", "key": JOINED, "headers": { "authorization": CALLER.1 },
    });
    let shown = gateway.admin_post("/v1/lookup", &lookup).await.json();
    assert_eq!((&shown["id"], &shown["state"]), (&json!(id), &json!("unknown")), "{shown}");
    assert_eq!(shown["labels"], json!({ "/metadata/invoice": "i-5" }), "{shown}");
    let path = "/.well-known/idempotency/record?route=pay&path=/v1/charges";
    for key in [JOINED.to_owned(), format!("\"{JOINED}\"")] {
        let headers = [("idempotency-key", key.as_str()), CALLER];
        let told = request(gateway.address, "GET", path, &headers, "").await.json();
        assert_eq!(told["state"], "unknown", "{told}");
    }
    let unnamed = request(gateway.address, "GET", path, &[CALLER], "").await;
    let told = unnamed.problem(400, "key-missing", "unknown", "never");
    assert!(
        told["detail"].as_str().is_some_and(|text| text.contains("the idempotency-key header")),
        "{told}"
    );

    let caller = format!("{}: {}", CALLER.0, CALLER.1);
    let lookup = ["lookup", "--route", "pay", "--path", "/v1/charges", "--key", JOINED, "--header", &caller];
    let looked_up = records(&gateway, &lookup).await;
    assert!(looked_up.contains(&id), "{looked_up}");
    let ledger = tempfile::NamedTempFile::new().expect("a temporary file");
    let line = json!({ "key": JOINED, "path": "/v1/charges", "authorization": CALLER.1 });
    std::fs::write(ledger.path(), format!("{line}\n")).expect("it can be written");
    let reconcile = ["reconcile", "--route", "pay", "--ledger", ledger.path().to_str().expect("a path")];
    let reconciled = records(&gateway, &reconcile).await;
    assert!(
        reconciled.contains(&format!("executed {id} route pay execution 1 line 1 labels i-5")),
        "{reconciled}"
    );

    let [listed, metrics] = ["/v1/records", "/metrics"].map(|path| gateway.admin_get(path));
    let alone = gateway.admin_get(&format!("/v1/records/{id}")).await;
    let told = [gateway.log(), looked_up, reconciled];
    let shown = [listed.await, metrics.await, alone];
    for text in told.iter().map(String::as_str).chain(shown.iter().map(Answer::text)) {
        assert!(!contains(text.as_bytes(), "canary"), "{text}");
    }
    for answer in [again, broken] {
        assert!(!contains(&answer.body, "canary"), "{answer:?}");
    }
}

/// The settler sends a kept request with the same key in the same header.
#[tokio::test]
async fn a_kept_request_is_sent_again_with_the_key_of_its_body() {
    let upstream = Upstream::answering(|seen| {
        let status = if seen.number == 1 { 503 } else { 201 };
        Response::builder().status(status).body(Full::from("paid")).expect("a response")
    })
    .await;
    let route = "key = { json = \"/order\", forward_as = \"X-Key\", forward = \"quoted\" }\non_unknown = \"retry\"\n\
                 upstream_keys = { window = \"1h\" }\nkeep_request = true\nlease = \"300ms\"";
    let settings = Settings::route(route)
        .upstream(SHORT)
        .store("url = \"memory:\"\nseal = [{ id = \"k\", env = \"SEAL\" }]")
        .env("SEAL", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
    let gateway = Gateway::start(&upstream, settings).await;
    let headers = [("content-type", "application/json"), ("x-key", "the client's own")];
    let body = "{\"order\":17}";
    let lost = request(gateway.address, "POST", "/v1/charges", &headers, body).await;
    assert_eq!(lost.status, 503);
    upstream.reached(2).await;
    let settled: Value = gateway.record_in("completed").await;
    assert_eq!((&settled["execution"], &settled["status"]), (&json!(2), &json!(201)), "{settled}");
    for seen in upstream.seen() {
        assert_eq!((seen.header("x-key"), &*seen.body), ("\"17\"", body.as_bytes()));
        assert_eq!(seen.headers.get_all("x-key").iter().count(), 1);
    }
    assert!(request(gateway.address, "POST", "/v1/charges", &headers, body).await.is_replay());
}

/// Returns settings under which requests are kept in this directory and sent again. `key` says where the key is,
/// and `store` adds lines for the store.
fn keeping(directory: &Path, key: &str, store: &str) -> Settings {
    let route = format!(
        "key = {{ {key} }}\non_unknown = \"retry\"\nupstream_keys = {{ window = \"1h\" }}\nkeep_request = true\n\
         lease = \"300ms\""
    );
    let store = format!(
        "url = \"embedded:{}\"\nseal = [{{ id = \"k\", env = \"SEAL\" }}]\n{store}",
        directory.join("data").display()
    );
    let settings = Settings::route(&route).store(&store).upstream(SHORT);
    settings.env("SEAL", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
}

/// After a change of the place that an operator accepted, the kept request of an earlier record has another key
/// where the route looks for it now. The upstream would not recognise the operation by it.
#[tokio::test]
async fn a_kept_request_is_not_sent_again_with_another_key() {
    let refusing = |_| Response::builder().status(503).body(Full::from("refused")).expect("a response");
    let upstream = Upstream::answering(refusing).await;
    let directory = tempfile::tempdir().expect("a directory");
    let settings = |key: &str, store: &str| keeping(directory.path(), key, store);
    let mut gateway = Gateway::start(&upstream, settings("header = \"X-Key\"", "")).await;
    let headers = [("content-type", "application/json"), ("x-key", "first")];
    let lost = request(gateway.address, "POST", "/v1/charges", &headers, "{\"order\":17}").await;
    assert_eq!(lost.status, 503);
    gateway.kill().await;

    let other = "json = \"/order\"";
    let (_, refusal) = gateway.refused(&upstream, settings(other, "")).await;
    let gateway = gateway.restart(&upstream, settings(other, &accepted(&refusal))).await;
    gateway.logs("the kept request does not fit its route").await;
    for seen in upstream.seen() {
        assert_eq!((seen.header("x-key"), seen.header("idempotency-key")), ("first", ""));
    }
}

/// Returns the setting that accepts the change of identity for which a gateway did not start.
fn accepted(refusal: &str) -> String {
    let begin = refusal.find("accept_identity_change = [").unwrap_or_else(|| panic!("{refusal}"));
    let accept = refusal[begin..].lines().next().expect("a line").replace("\\\"", "\"");
    accept[..=accept.find(']').expect("a list")].to_owned()
}

/// The certificate of the client is part of what names the operation, and it is not kept. The key is.
#[tokio::test]
async fn behind_client_certificates_a_kept_request_is_sent_again_with_its_own_key_alone() {
    let refusing = |_| Response::builder().status(503).body(Full::from("refused")).expect("a response");
    let upstream = Upstream::answering(refusing).await;
    let (directory, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let tls = format!(
        "tls = {{ {}, client_ca = \"{}\" }}",
        authority.certify("server").keys(),
        authority.ca.display()
    );
    let settings = |key: &str, store: &str| keeping(directory.path(), key, store).server(&tls);
    let mut gateway = Gateway::start(&upstream, settings("first = [{ header = \"X-A\" }]", "")).await;
    let client = authority.client(Some(&authority.certify("client")), &["http/1.1"]);
    let stream = connect(&client, gateway.address.port()).await.expect("a handshake");
    let mut connection = Connection::over(stream);
    let headers = [("content-type", "application/json"), ("x-a", "pay-1"), ("x-b", "trace-9")];
    connection.send(request_bytes("POST", "/v1/charges", &headers, b"{}")).await;
    assert_eq!(connection.answer().await.status, 503);
    // The place still reads the key of the record.
    upstream.reached(2).await;
    gateway.kill().await;

    let other = "first = [{ header = \"X-B\" }, { header = \"X-A\" }], forward_as = \"X-A\"";
    let (_, refusal) = gateway.refused(&upstream, settings(other, "")).await;
    let gateway = gateway.restart(&upstream, settings(other, &accepted(&refusal))).await;
    gateway.logs("the kept request does not fit its route").await;
    for seen in upstream.seen() {
        assert_eq!(seen.header("x-a"), "pay-1");
    }
}
