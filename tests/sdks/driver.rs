//! A process that calls an SDK. One process makes all calls of a language, because a start takes long.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::clients::{PATIENCE, file, node, python};

/// The result of a call of the SDK.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Outcome {
    pub call: usize,
    /// The id of the payment, if the call returned.
    pub paid: Option<String>,
    /// The class of the error, if the call raised one.
    pub raised: Option<String>,
    /// True if the error is one of the SDK's own, which its users catch.
    pub ours: bool,
    pub code: Option<String>,
    pub status: Option<u16>,
    /// The record that the error names.
    pub record: Option<String>,
    pub message: String,
}

type Waiting = Arc<Mutex<HashMap<usize, oneshot::Sender<Outcome>>>>;

/// A running SDK.
pub struct Driver {
    calls: AtomicUsize,
    lines: UnboundedSender<String>,
    waiting: Waiting,
    _child: Child,
}

impl Driver {
    pub fn node() -> Self {
        Self::start(node(&file("tests/sdks/stripe.js")))
    }

    pub fn python() -> Self {
        Self::start(python(&file("tests/sdks/stripe_sdk.py")))
    }

    /// Starts the clients for Node that retry by themselves.
    pub fn retrying_node() -> Self {
        Self::start(node(&file("tests/sdks/retrying.mjs")))
    }

    /// Starts the clients for Python that retry by themselves.
    pub fn retrying_python() -> Self {
        Self::start(python(&file("tests/sdks/retrying.py")))
    }

    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the SDK can be started");
        let mut input = child.stdin.take().expect("piped");
        let (lines, mut written) = unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(line) = written.recv().await {
                input.write_all(line.as_bytes()).await.expect("the SDK reads");
            }
        });
        let waiting = Waiting::default();
        let mut outcomes = BufReader::new(child.stdout.take().expect("piped")).lines();
        let calls = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok(Some(line)) = outcomes.next_line().await {
                let outcome: Outcome = serde_json::from_str(&line).expect("a JSON line");
                let call = calls.lock().expect("no panic while locked").remove(&outcome.call);
                let _ = call.expect("a call that was made").send(outcome);
            }
        });
        Self { calls: AtomicUsize::new(0), lines, waiting, _child: child }
    }

    /// Pays through the listener at `port`, with the SDK's own retries.
    pub async fn pay(&self, port: u16, key: &str, amount: u32) -> Outcome {
        self.call(json!({ "port": port, "key": key, "amount": amount })).await
    }

    /// Pays as [`Driver::pay`] does, with the client of this name.
    pub async fn pay_with(&self, client: &str, port: u16, key: &str, amount: u32) -> Outcome {
        self.call(json!({ "client": client, "port": port, "key": key, "amount": amount })).await
    }

    async fn call(&self, mut line: Value) -> Outcome {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (send, outcome) = oneshot::channel();
        self.waiting.lock().expect("no panic while locked").insert(call, send);
        line["call"] = call.into();
        self.lines.send(format!("{line}\n")).expect("the SDK runs");
        timeout(PATIENCE, outcome).await.expect("the call ends").expect("an outcome")
    }
}
