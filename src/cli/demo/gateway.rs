//! The gateway as a real second process: this same binary, running `serve`.
//!
//! The process can be killed like any other. It is also killed when its handle is dropped.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, copy, sink};
use tokio::process::ChildStderr;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::cli::output::print_error;

use super::error::DemoError;

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

/// Writes the configuration of a gateway in front of `upstream` that keeps its records in `directory`.
///
/// The lease and the response timeout are short, so that the script need not wait: an unknown outcome shows
/// within a second, and can be declared not executed two seconds later.
pub(super) fn configure(directory: &Path, upstream: SocketAddr) -> io::Result<()> {
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
"#
    );
    fs::write(directory.join(CONFIG_FILE), text)
}

impl GatewayProcess {
    /// Starts a gateway on the records in `directory`, and waits until it is ready.
    pub(super) async fn start(directory: &Path) -> Result<Self, DemoError> {
        let (process, log) = Process::spawn(directory)?;
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
        self.process.0.id()
    }

    /// Kills the process with SIGKILL, which looks like a crash.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Waits until the process has ended, for any reason.
    pub(super) async fn ended(&mut self) {
        // The log ends when the process that writes it ends.
        drop((&mut self.log).await);
    }
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

/// A process that does not outlive this value.
struct Process(Child);

impl Process {
    fn spawn(directory: &Path) -> io::Result<(Self, ChildStderr)> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("serve").arg("--config").arg(directory.join(CONFIG_FILE));
        // The process gets its own group: Ctrl-C at the terminal goes to the demo, which then ends the
        // gateway.
        command.current_dir(directory).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ONCEGATE")) {
            // These variables are meant for a gateway of the user, not for this one.
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        let log = child.stderr.take();
        let process = Self(child);
        let log = log.ok_or_else(|| io::Error::other("the gateway has no standard error"))?;
        Ok((process, ChildStderr::from_std(log)?))
    }

    /// Ends the process. Afterwards the process, its locks and its ports are gone.
    fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            print_error(format_args!(
                "oncegate: the gateway (process {}) could not be ended: {error}",
                self.0.id()
            ));
        }
    }
}
