//! The binary, run with the arguments and the file of the test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::{Answer, request};

/// The longest time that a test waits for a process.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process of the binary. Dropping it kills the process.
pub struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    changes: watch::Receiver<()>,
}

/// The result of a start.
pub enum Started {
    /// The gateway serves at this address.
    Serving(Box<Process>, SocketAddr),
    /// The process ended with this exit code and output.
    Ended { code: Option<i32>, said: String },
}

impl Process {
    /// Runs `oncegate serve` with this file.
    pub fn with_file(text: &str, directory: &Path) -> Self {
        let file = directory.join("oncegate.toml");
        std::fs::write(&file, text).expect("the configuration can be written");
        Self::run(&["serve", "--config", &file.display().to_string()], &[], directory)
    }

    /// Runs the binary in `directory`.
    pub fn run(arguments: &[&str], environment: &[(&str, String)], directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_oncegate"))
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it can be run");
        let (said, (change, changes)) = (Arc::<Mutex<String>>::default(), watch::channel(()));
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let log = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut said = log.lock().expect("a log");
                said.push_str(&line);
                said.push('\n');
                change.send_replace(());
            }
        });
        Self { child, said, changes }
    }

    /// Waits until the process serves or ends.
    pub async fn started(mut self) -> Started {
        match timeout(PATIENCE, self.until(" ready ")).await.expect("it serves or ends") {
            Some(line) => {
                let listen = line.split("listen=").nth(1).and_then(|rest| rest.split(' ').next());
                let address = listen.and_then(|text| text.parse().ok());
                let address = address.unwrap_or_else(|| panic!("no address in {line}"));
                Started::Serving(Box::new(self), address)
            }
            None => {
                let code = self.ended().await;
                Started::Ended { code, said: self.said() }
            }
        }
    }

    /// Waits until the process prints this text. Returns the line, or `None` if the process ended without it.
    pub async fn until(&mut self, text: &str) -> Option<String> {
        loop {
            let line = self.said().lines().find(|line| line.contains(text)).map(str::to_owned);
            if line.is_some() || self.changes.changed().await.is_err() {
                return line
                    .or_else(|| self.said().lines().find(|line| line.contains(text)).map(str::to_owned));
            }
        }
    }

    /// Returns the output so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("a log").clone()
    }

    pub async fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.expect("kill runs").success());
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it can be waited for").code()
    }

    /// Stops the process in an orderly way.
    pub async fn stop(mut self) {
        self.signal("-TERM").await;
        assert_eq!(self.ended().await, Some(0), "{}", self.said());
    }
}

impl Started {
    pub fn serving(self) -> (Process, SocketAddr) {
        match self {
            Self::Serving(process, address) => (*process, address),
            Self::Ended { code, said } => panic!("it ended with {code:?}: {said}"),
        }
    }

    /// Returns the output of a process that refused to start, and checks its exit code 2.
    pub fn refusal(self) -> String {
        match self {
            Self::Serving(process, _) => panic!("it serves: {}", process.said()),
            Self::Ended { code, said } => {
                assert_eq!(code, Some(2), "{said}");
                assert!(!said.contains(" ready "), "{said}");
                said
            }
        }
    }
}

/// Sends a POST with a key and a credential.
pub async fn pay(to: SocketAddr, path: &str, key: &str) -> Answer {
    request(to, "POST", path, &[("idempotency-key", key), ("authorization", "Bearer a")], b"a").await
}
