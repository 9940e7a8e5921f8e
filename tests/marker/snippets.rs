//! The example and its snippets for other languages: a charge is committed once, and never after a fence.

use std::path::Path;

use oncegate::settle::marker::Row;
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
