//! A gateway with a standard error that the test chooses.

use std::io::{BufRead, BufReader, PipeReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::harness::{Answer, Connection, Upstream, post, request_bytes};

/// The longest time that a test waits.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends when this value is dropped.
pub struct Running(pub Child);

/// A gateway that serves.
pub struct Process {
    pub running: Running,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    _directory: TempDir,
}

/// The log lines of a gateway, which only the test reads.
pub struct Lines(Arc<Mutex<BufReader<PipeReader>>>);

impl Process {
    /// Starts a gateway and reads its lines up to the one that says that it is ready.
    pub async fn start(upstream: &Upstream, environment: &[(&str, &str)]) -> (Self, Lines) {
        let (read, write) = std::io::pipe().expect("a pipe");
        let mut process = Self::with(upstream, environment, write.into(), [free(), free()]);
        let lines = Lines(Arc::new(Mutex::new(BufReader::new(read))));
        let ready = json(&lines.until("\"ready\"").await);
        let address = |name: &str| ready[name].as_str().expect("an address").parse().expect("an address");
        (process.public, process.admin) = (address("listen"), address("admin"));
        (process, lines)
    }

    /// Starts a gateway with its log lines going to `stderr`.
    pub async fn mute(upstream: &Upstream, stderr: Stdio) -> Self {
        let process = Self::with(upstream, &[], stderr, [free(), free()]);
        let serves = async {
            while Connection::try_open(process.public).await.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, serves).await.expect("it serves");
        process
    }

    /// Starts a gateway that need not become ready.
    pub fn with(
        upstream: &Upstream,
        environment: &[(&str, &str)],
        stderr: Stdio,
        [public, admin]: [SocketAddr; 2],
    ) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let file = directory.path().join("oncegate.toml");
        let text = format!(
            "[server]\nlisten = \"{public}\"\n[admin]\nlisten = \"{admin}\"\n[store]\nurl = \"memory:\"\n\
             [log]\nformat = \"json\"\n[upstreams.payments]\nurl = \"http://{}\"\n[fallback]\nupstream = \"payments\"\n\
             [[routes]]\nname = \"pay\"\npath = \"/v1/{{*rest}}\"\nupstream = \"payments\"\nanonymous = \"one\"\n",
            upstream.address
        );
        std::fs::write(&file, text).expect("the configuration can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
        command.args(["serve", "--config"]).arg(&file).envs(environment.iter().copied());
        let running = command.stdin(Stdio::null()).stderr(stderr).spawn().expect("it can be started");
        Self { running: Running(running), public, admin, _directory: directory }
    }

    /// Sends this many keyed requests over several connections. Each request has a log line of about 2 KB.
    pub async fn pass(&self, requests: usize) {
        let path = format!("/v1/{}", "x".repeat(2000));
        let callers = (0..8).map(|caller| {
            let (path, public) = (path.clone(), self.public);
            async move {
                let mut connection = Connection::open(public).await;
                for number in (caller..requests).step_by(8) {
                    let key = format!("k-{number}");
                    connection.send(request_bytes("POST", &path, &[("idempotency-key", &key)], b"a")).await;
                    let answer = timeout(PATIENCE, connection.answer()).await.expect("an answer in time");
                    assert_eq!(answer.status, 201, "{answer:?}");
                }
            }
        });
        for caller in callers.map(tokio::spawn).collect::<Vec<_>>() {
            caller.await.expect("all were answered");
        }
    }

    /// Completes one operation and deletes its record. Returns the id of the record.
    pub async fn delete_one(&self, key: &str) -> String {
        let made = post(self.public, "/v1/charges", key, "a").await;
        let id = made.header("idempotency-record").expect("a record").to_owned();
        let deleted = self.asks("DELETE", &format!("/v1/records/{id}")).await;
        assert_eq!(deleted.status, 200, "{deleted:?}");
        id
    }

    /// Sends a request to the admin listener.
    pub async fn asks(&self, method: &str, path: &str) -> Answer {
        let body = if method == "DELETE" { "{\"note\":\"a test\"}" } else { "" };
        let (host, length) = (self.admin, body.len());
        let mut connection = Connection::open(host).await;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json");
        connection.send(format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}")).await;
        timeout(PATIENCE, connection.answer()).await.expect("an answer in time")
    }

    /// Returns the number of dropped lines from the metric.
    pub async fn dropped(&self) -> u64 {
        let metrics = self.asks("GET", "/metrics").await;
        let line =
            metrics.text().lines().find_map(|line| line.strip_prefix("oncegate_log_lines_dropped_total "));
        line.expect("it is shown").parse().expect("a number")
    }

    /// Waits until more lines than `before` were dropped.
    pub async fn drops_more_than(&self, before: u64) -> u64 {
        let more = async {
            loop {
                let dropped = self.dropped().await;
                if dropped > before {
                    return dropped;
                }
            }
        };
        timeout(PATIENCE, more).await.expect("lines are dropped")
    }

    /// Sends SIGTERM and returns the exit code.
    pub async fn terminated(mut self) -> Option<i32> {
        let id = self.running.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        self.ended().await
    }

    /// Waits for the end of the process and returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let ended = async {
            loop {
                if let Some(status) = self.running.0.try_wait().expect("it can be waited for") {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Lines {
    /// Reads up to the line that contains `text`.
    pub async fn until(&self, text: &'static str) -> String {
        self.read(move |lines| {
            let mut line = String::new();
            while !line.contains(text) {
                line.clear();
                assert_ne!(lines.read_line(&mut line).expect("a pipe"), 0, "it ended without {text:?}");
            }
            line
        })
        .await
    }

    /// Reads to the end.
    pub async fn rest(&self) -> Vec<String> {
        self.read(|lines| lines.lines().map(|line| line.expect("text")).collect()).await
    }

    /// Runs the read on a thread of its own.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut BufReader<PipeReader>) -> T + Send + 'static,
    ) -> T {
        let lines = Arc::clone(&self.0);
        let reading = spawn_blocking(move || read(&mut lines.lock().expect("one reader")));
        timeout(PATIENCE, reading).await.expect("in time").expect("it is read")
    }
}

pub fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Returns a pipe that takes no more bytes.
pub fn full_pipe() -> (PipeReader, Stdio) {
    let (read, mut write) = std::io::pipe().expect("a pipe");
    // The usual capacity of a pipe. No line of the process fits any more.
    write.write_all(&[b'.'; 65_536]).expect("it takes that");
    (read, write.into())
}

/// Returns an address that was free a moment ago.
pub fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}
