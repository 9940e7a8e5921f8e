//! The example and its snippets for other languages: a charge is committed once, and never after a fence.

use std::path::Path;

use oncegate::settle::marker::{DEFAULT_TABLE, Row, schema_sql};
use serde_json::{Value, json};

use crate::Payments;
use crate::clients::{file, node, python};
use crate::harness::Connection;
use crate::servers::postgres::shared;

/// A way to run an execution. The result is its answer.
enum Upstream {
    Http(std::net::SocketAddr),
    Script(fn(&Path) -> tokio::process::Command, &'static str),
}

impl Upstream {
    async fn charge(&self, payments: &Payments, execution: &str) -> Value {
        match self {
            Self::Http(address) => over_http(*address, execution).await,
            Self::Script(program, name) => {
                let mut command = program(&file("examples/marker-upstream/snippets").join(name));
                let ended = command.args([&payments.url, execution, "1200"]).output().await.expect("it runs");
                let said = String::from_utf8_lossy(&ended.stderr);
                serde_json::from_slice(&ended.stdout)
                    .unwrap_or_else(|error| panic!("{name}: {error}: {said}"))
            }
        }
    }
}

async fn over_http(to: std::net::SocketAddr, execution: &str) -> Value {
    let body = json!({ "amount": 1200, "currency": "eur" }).to_string();
    let head = format!("POST /charges HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\n");
    let named = format!("idempotency-execution: {execution}\r\nidempotency-key: k-{execution}\r\n");
    let mut connection = Connection::open(to).await;
    connection.send(format!("{head}{named}content-length: {}\r\n\r\n{body}", body.len())).await;
    let answer = connection.answer().await;
    let marker = answer.header("idempotency-marker");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    json!({ "status": answer.status, "headers": { "idempotency-marker": marker }, "body": body })
}

async fn commits_once_and_never_after_a_fence(payments: &Payments, upstream: Upstream) {
    let table = payments.table();
    let made = upstream.charge(payments, "a:1").await;
    assert_eq!(made["status"], 201, "{made}");
    assert_eq!(payments.charges().await, 1);
    let Ok(Row::Committed(Some(stored))) = table.fence("a:1").await else { panic!("no response in the row") };
    assert_eq!(stored.status, 201);
    assert_eq!(serde_json::from_slice::<Value>(&stored.body).expect("JSON"), made["body"]);
    let types: Vec<_> =
        stored.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(types, [("content-type", &b"application/json"[..])]);

    assert_eq!(table.fence("b:1").await, Ok(Row::Fenced));
    for execution in ["a:1", "b:1"] {
        let refused = upstream.charge(payments, execution).await;
        assert_eq!(
            (&refused["status"], &refused["headers"]["idempotency-marker"]),
            (&json!(409), &json!("conflict"))
        );
        assert_eq!(payments.charges().await, 1, "{execution} left a charge behind");
    }
    assert_eq!(table.read("b:1").await, Ok(Some(Row::Fenced)));
    let second = upstream.charge(payments, "b:2").await;
    assert_eq!((&second["status"], payments.charges().await), (&json!(201), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_rust() {
    let server = shared();
    let payments = Payments::on(&server).await;
    let address = payments.served(false).await;
    commits_once_and_never_after_a_fence(&payments, Upstream::Http(address)).await;
    let mut connection = Connection::open(address).await;
    connection.send(format!("GET /charges?idempotency_key=k-a:1 HTTP/1.1\r\nhost: {address}\r\n\r\n")).await;
    let found: Value = serde_json::from_slice(&connection.answer().await.body).expect("JSON");
    assert_eq!(found["data"][0]["status"], "succeeded", "{found}");
    assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_snippet_in_python() {
    let server = shared();
    let payments = Payments::on(&server).await;
    payments.served(false).await;
    commits_once_and_never_after_a_fence(&payments, Upstream::Script(python, "charge.py")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_snippet_in_javascript() {
    let server = shared();
    let payments = Payments::on(&server).await;
    payments.served(false).await;
    commits_once_and_never_after_a_fence(&payments, Upstream::Script(node, "charge.js")).await;
}

/// Returns the text of the first block in `language` on the page of the example.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(file("examples/marker-upstream/README.md")).expect("a page");
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("its end").0.to_owned()
}

#[tokio::test]
async fn the_two_lines_of_the_page_make_the_table_and_the_mark() {
    let server = shared();
    let payments = Payments::on(&server).await;
    let made = format!("{}; SELECT count(*) FROM oncegate_marker", block("sql").replace("$1", "'a:1'"));
    let columns = "(SELECT array_agg(column_name || data_type || is_nullable || coalesce(column_default, '')) \
                   FROM information_schema.columns WHERE table_name = 'oncegate_marker')";
    let same = format!(
        "CREATE TEMP TABLE page AS SELECT {columns} AS columns; DROP TABLE oncegate_marker; {}; \
         SELECT count(*) FROM page WHERE columns = {columns}",
        schema_sql(DEFAULT_TABLE)
    );
    payments.run(&made).await;
    assert_eq!(payments.table().read("a:1").await, Ok(Some(Row::Committed(None))));
    assert_eq!(payments.value(&same).await, 1, "the page and `check` print different tables");
}

#[test]
fn the_configuration_of_the_page_is_valid() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = directory.path().join("gate.toml");
    let text = format!("[upstreams.payments]\nurl = 'http://127.0.0.1:9000'\n{}", block("toml"));
    std::fs::write(&config, text).expect("a writable directory");
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_oncegate"));
    let ended = check.args(["check", "--config"]).arg(&config).env("MARKER_PASSWORD", "x").output();
    let ended = ended.expect("it runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
