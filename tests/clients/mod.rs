//! Shared parts of the tests of frameworks, clients and the README: programs that print when they are ready,
//! and a gateway with a configuration of the test's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::harness::{Answer, Connection};

/// The longest time that a test waits for a program.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the folder in which `scripts/test` installs the packages of the lock files beside this file.
fn installed(what: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients").join(what);
    assert!(path.exists(), "{} is missing: run ./scripts/test", path.display());
    path
}

/// Returns the path of a file of the repository.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Returns a command that runs Node with the installed packages.
pub fn node(script: &Path) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("node_modules")).arg(script);
    command
}

/// Returns a command that runs Python with the installed packages.
pub fn python(script: &Path) -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.args(["-u", "-W", "ignore"]).arg(script);
    command
}

/// Opens a page in headless Chromium, runs a script in it, and returns the script's result.
pub async fn chromium(page: &str, script: &str) -> Value {
    browse(serde_json::json!({ "page": page, "script": script })).await
}

/// Opens a page in headless Chromium with these options of its context, and takes steps outside of the page:
/// keys, clicks, screenshots. Returns the result of the steps.
pub async fn drive(page: &str, options: Value, steps: &str) -> Value {
    browse(serde_json::json!({ "page": page, "options": options, "steps": steps })).await
}

async fn browse(asked: Value) -> Value {
    let mut command = node(&file("tests/clients/chromium.js"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("Node runs");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(asked.to_string().as_bytes()).await.expect("the script reads");
    drop(input);
    // A page that shows the last twenty seconds takes at least as long.
    let output = timeout(3 * PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it runs");
    assert!(output.status.success(), "Chromium failed; run ./scripts/test, which installs it");
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}

/// Returns an address that refuses connections as long as the socket lives. The socket is bound and does not
/// listen.
pub fn refusing_address() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// A running program. Dropping it kills the program.
pub struct Program {
    child: Child,
    /// The line with which the program reported that it is ready.
    pub ready: String,
}

impl Program {
    /// Starts a program and waits until it prints a line that contains `ready`.
    pub async fn start(command: Command, ready: &str) -> Self {
        Self::try_start(command, ready).await.unwrap_or_else(|printed| panic!("it did not start: {printed}"))
    }

    /// Does the work of [`Program::start`]. Returns the printed lines if the program ended before it was
    /// ready.
    pub async fn try_start(mut command: Command, ready: &str) -> Result<Self, String> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (send, mut lines) = unbounded_channel();
        tokio::spawn(forward(child.stdout.take().expect("piped"), send.clone()));
        tokio::spawn(forward(child.stderr.take().expect("piped"), send));
        let mut printed = String::new();
        while let Ok(Some(line)) = timeout(PATIENCE, lines.recv()).await {
            if line.contains(ready) {
                // A program stops if its output is not read.
                tokio::spawn(async move { while lines.recv().await.is_some() {} });
                return Ok(Self { child, ready: line });
            }
            printed = printed + "\n" + &line;
        }
        Err(format!("{command:?}{printed}"))
    }

    /// Returns the address in the last word of the ready line.
    pub fn address(&self) -> SocketAddr {
        let word = self.ready.split_whitespace().last().expect("a word");
        word.parse().unwrap_or_else(|error| panic!("{error}: {}", self.ready))
    }

    /// Asks the program to end and waits for its end.
    pub async fn stop(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs").success());
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it can be waited for");
    }
}

async fn forward(stream: impl AsyncRead + Unpin, to: UnboundedSender<String>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = to.send(line);
    }
}

/// A gateway process with routes of the test's own.
pub struct Gateway {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    _program: Program,
    _directory: TempDir,
}

impl Gateway {
    /// Starts a gateway with these sections, which name no store, no listener and no log.
    pub async fn start(server: &str, sections: &str) -> Self {
        Self::on("memory:", server, sections).await
    }

    /// Starts a gateway on the store at this URL; see [`Gateway::start`].
    pub async fn on(store: &str, server: &str, sections: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let config = directory.path().join("oncegate.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{server}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [store]\nurl = \"{store}\"\n[log]\nformat = \"json\"\n{sections}\n"
        );
        std::fs::write(&config, text).expect("the configuration can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
        command.args(["serve", "--config"]).arg(&config);
        let program = Program::start(command, "\"ready\"").await;
        let ready: Value = serde_json::from_str(&program.ready).expect("a JSON line");
        let address = |name: &str| ready[name].as_str().expect("an address").parse().expect("an address");
        Self { address: address("listen"), admin: address("admin"), _program: program, _directory: directory }
    }

    /// Sends a request with a JSON body to the admin listener.
    pub async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        let (to, length) = (self.admin, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\n");
        let mut connection = Connection::open(to).await;
        connection.send(format!("{head}content-length: {length}\r\n\r\n{body}")).await;
        connection.answer().await
    }
}
