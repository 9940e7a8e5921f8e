//! The stores on which reloads are tested, and the way to a reload.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use crate::harness::{Answer, Gateway, Upstream, post};
use crate::servers::{postgres, redis};

/// A store of gateways.
pub enum Store {
    /// The directory of one gateway.
    Embedded,
    /// The memory of one gateway.
    Memory,
    Redis(redis::Server),
    Postgres {
        server: Arc<postgres::Server>,
        schema: String,
    },
}

impl Store {
    pub fn redis() -> Self {
        Self::Redis(redis::Server::start())
    }

    pub fn postgres() -> Self {
        Self::Postgres { server: postgres::shared(), schema: postgres::schema() }
    }

    /// Returns lines for `[store]`. They are empty for the directory of one gateway.
    pub fn lines(&self) -> String {
        match self {
            Self::Embedded => String::new(),
            Self::Memory => "url = \"memory:\"".into(),
            Self::Redis(server) => format!("url = \"redis://127.0.0.1:{}\"", server.port),
            Self::Postgres { server, schema } => format!(
                "url = \"postgres://oncegate@127.0.0.1:{}/postgres\"\nschema = \"{schema}\"",
                server.port
            ),
        }
    }
}

/// Starts an execution that the upstream holds.
pub async fn running(
    gateway: &Gateway,
    upstream: &Upstream,
    path: &'static str,
) -> tokio::task::JoinHandle<Answer> {
    upstream.hold();
    let (address, before) = (gateway.address, upstream.executions());
    let running = tokio::spawn(async move { post(address, path, "running", "{}").await });
    upstream.reached(before + 1).await;
    running
}

/// Asks for a reload.
pub async fn reload(gateway: &Gateway) -> Answer {
    gateway.admin_post("/v1/reload", &json!({})).await
}

/// Asks for a reload that has to succeed, and returns its answer.
#[track_caller]
pub fn in_force(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = answer.json();
    assert_eq!(shown["outcome"], "reloaded", "{shown}");
    shown
}

/// Returns the problem of a refused reload.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, outcome: &str) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!((&problem["outcome"], &problem["status"]), (&outcome.into(), &status.into()), "{problem}");
    problem
}

/// Returns a metric with this beginning.
pub async fn metric(gateway: &Gateway, name: &str) -> Option<f64> {
    let metrics = gateway.admin_get("/metrics").await;
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    line.map(|line| line.trim().parse().expect("a number"))
}

/// Lets a process go on that stops at a failpoint, until it logs this.
pub async fn goes_on_until(gateway: &Gateway, text: &str) {
    let logged = async {
        // The process says that it stops a moment before it stops.
        while !gateway.log().contains(text) {
            gateway.thaw().await;
        }
    };
    timeout(Duration::from_secs(60), logged).await.unwrap_or_else(|_| panic!("{text:?} was not logged"));
}
