//! The gateway as a real second process: this same binary, running `serve`.
//!
//! The process can be killed like any other. It is also killed when its handle is dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use rustix::process::Signal;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, copy, sink};
use tokio::process::ChildStderr;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::error::DemoError;
use super::process::Process;

/// Time that a start may take: long enough for a slow disk.
const START_TIMEOUT: Duration = Duration::from_secs(30);

const CONFIG_FILE: &str = "oncegate.toml";

/// A running gateway. Dropping the value kills the process and waits for its end.
pub(super) struct GatewayProcess {
    process: Process,
    /// Address for clients.
    pub(super) public: SocketAddr,
    /// Address for operators.
    pub(super) admin: SocketAddr,
    log: AbortOnDropHandle<()>,
}

/// Writes the configuration of a gateway in front of `upstream` that keeps its records in `directory`. The
/// lines of `on_unknown` belong to its route.
///
/// The lease and the response timeout are short, so that the script need not wait: an unknown outcome shows
/// within a second, and can be decided two seconds later.
pub(super) fn configure(directory: &Path, upstream: SocketAddr, on_unknown: &str) -> io::Result<()> {
    let text = format!(
        r#"[server]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

[store]
url = "embedded:records"
timeout = "5s"

[upstreams.payments]
url = "http://{upstream}"
response_timeout = "2s"

[log]
format = "json"

[fallback]
upstream = "payments"

[[routes]]
name = "create-charge"
path = "/v1/charges"
methods = ["POST"]
upstream = "payments"
lease = "1s"
{on_unknown}"#
    );
    fs::write(directory.join(CONFIG_FILE), text)
}

impl GatewayProcess {
    /// Starts a gateway on the records in `directory`, and waits until it is ready.
    pub(super) async fn start(directory: &Path) -> Result<Self, DemoError> {
        let (process, log) = Process::spawn(command(directory)?, "the gateway", Signal::KILL)?;
        let mut log = BufReader::new(log);
        let ready = timeout(START_TIMEOUT, Ready::read(&mut log)).await;
        let ready = ready.unwrap_or_else(|_| {
            Err(DemoError::new(format!("the gateway was not ready within {START_TIMEOUT:?}")))
        })?;
        // The log is read on, because its end is the end of the process.
        let log = tokio::spawn(async move { drop(copy(&mut log, &mut sink()).await) });
        Ok(Self { process, public: ready.listen, admin: ready.admin, log: AbortOnDropHandle::new(log) })
    }

    /// Returns the id of the process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process with SIGKILL, which looks like a crash.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.process.end()
    }

    /// Waits until the process has ended, for any reason.
    pub(super) async fn ended(&mut self) {
        // The log ends when the process that writes it ends.
        drop((&mut self.log).await);
    }
}

/// Returns the command that starts the gateway with the configuration in `directory`.
fn command(directory: &Path) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("serve").arg("--config").arg(directory.join(CONFIG_FILE)).current_dir(directory);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ONCEGATE")) {
        // These variables are meant for a gateway of the user, not for this one.
        command.env_remove(name);
    }
    Ok(command)
}

/// The log line of a gateway that listens.
#[derive(Deserialize)]
struct Ready {
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Ready {
    /// Reads the log up to that line.
    async fn read(log: &mut BufReader<ChildStderr>) -> Result<Self, DemoError> {
        let mut lines = log.lines();
        let mut before = String::new();
        while let Some(line) = lines.next_line().await? {
            if let Ok(ready) = serde_json::from_str(&line) {
                return Ok(ready);
            }
            before += &format!("\n  {line}");
        }
        Err(DemoError::new(format!("the gateway ended before it was ready; it said:{before}")))
    }
}
