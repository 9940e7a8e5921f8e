//! The processes that run this binary in another role.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::{callgrind, floors, upstream};

/// The flag before a role. Only this binary passes it.
pub const FLAG: &str = "--role";
const READY: &str = "ready ";
/// Time that a server may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A program under which a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    None,
    /// Callgrind, which counts instructions and makes a server some fifty times slower.
    Callgrind,
}

impl Tool {
    /// Returns the command that runs a program.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::None => Command::new(program),
            Self::Callgrind => callgrind::command(program.as_ref()),
        }
    }
}

/// A server, killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts a server, and waits until it listens at `address`.
    pub fn start(command: &mut Command, address: SocketAddr) -> Self {
        let process = Self::spawn(command);
        let started = std::time::Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < START_TIMEOUT, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(1));
        }
        process
    }

    /// Starts this binary in a role. Returns the address at which it listens.
    pub fn of_role(words: &[&str], tool: Tool) -> (Self, SocketAddr) {
        let mut command = tool.command(std::env::current_exe().expect("this binary"));
        command.arg(FLAG).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Self::spawn(&mut command);
        let mut line = String::new();
        let output = process.0.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix(READY).and_then(|address| address.parse().ok());
        (process, address.unwrap_or_else(|| panic!("{words:?} did not start: {line:?}")))
    }

    fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Plays a role until the parent process has ended.
pub fn play(words: &[String]) {
    std::thread::spawn(|| {
        // The parent never writes to this pipe. The pipe ends with the parent, however the parent ends.
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["upstream"] => upstream::serve(),
        ["proxy", upstream] => floors::serve_proxy(upstream.parse().expect("an address")),
        ["floor", upstream, records] => {
            floors::serve_gateway(upstream.parse().expect("an address"), records);
        }
        _ => panic!("{words:?} is no role"),
    }
}

/// Binds a listener to a free port, and announces it to the parent process.
pub async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{READY}{}", listener.local_addr().expect("an address"));
    listener
}
