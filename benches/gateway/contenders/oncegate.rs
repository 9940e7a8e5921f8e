//! The release binary, as an operator would run it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::roles::{Process, Tool};
use crate::servers::redis::free_port;

/// The logging of a gateway: with or without a line for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Quiet,
    Access,
}

/// A running gateway.
pub struct Gateway {
    pub process: Process,
    pub address: SocketAddr,
    /// Time from the start of the process until it took connections.
    pub took: Duration,
    pub directory: TempDir,
}

pub fn start(upstream: SocketAddr, url: &str, log: Log, tool: Tool) -> Gateway {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("oncegate.toml");
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    // Under a tool, a server is slow.
    let limit = if tool == Tool::None { "1s" } else { "30s" };
    let level = if log == Log::Quiet { "error" } else { "info" };
    let config = format!(
        "[server]\nlisten = \"{address}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{url}\"\n\
         timeout = \"{limit}\"\n\
         [log]\nlevel = \"{level}\"\n[upstreams.payments]\nurl = \"http://{upstream}\"\n\
         connect_timeout = \"{limit}\"\n\
         [[routes]]\nname = \"create-charge\"\npath = \"/v1/charges\"\nupstream = \"payments\"\n",
    );
    std::fs::write(&file, config).expect("a file");
    let mut command = tool.command(env!("CARGO_BIN_EXE_oncegate"));
    command.args(["serve", "--config"]).arg(&file).stdin(Stdio::null());
    if log == Log::Access {
        command.stderr(Stdio::null());
    }
    let started = Instant::now();
    let process = Process::start(&mut command, address);
    Gateway { process, address, took: started.elapsed(), directory }
}
