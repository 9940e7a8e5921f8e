//! Connections that are kept open and not used.

use std::net::SocketAddr;
use std::process::Command;

use tokio::task::JoinSet;

use crate::harness::{Connection, Gateway, Settings, Upstream, request, request_bytes};
use crate::narrow::keyed;

/// The number of connections that may be open by default.
const CONNECTIONS: usize = 10_000;
/// The number of connections that are opened at the same time.
const AT_ONCE: usize = 50;
/// The most memory that an idle connection may take, in bytes. This is twice the 23 KiB that it took in a
/// debug build when this was written, and still less than the header buffer that `oncegate check` counts for
/// it.
const EACH: u64 = 48 << 10;

/// Lets this process, and those that it starts, open this many files.
pub fn allow_files(count: u64) {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let mut limits = line.split_whitespace().map(|limit| limit.parse().unwrap_or(u64::MAX));
    let (soft, hard) = (limits.next().expect("a soft limit"), limits.next().expect("a hard limit"));
    assert!(hard >= count, "this test needs {count} open files, and only {hard} are allowed: ulimit -Hn");
    if soft < count {
        let (own, limit) = (std::process::id().to_string(), format!("--nofile={count}:{hard}"));
        let raised = Command::new("prlimit").args(["--pid", &own, &limit]).status().expect("prlimit runs");
        assert!(raised.success(), "the limit of open files cannot be raised to {count}");
    }
}

/// Opens connections and sends one request on each. Each request was answered.
async fn opened(to: SocketAddr, count: usize) -> Vec<Connection> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut connection = Connection::open(to).await;
        connection.send(request_bytes("GET", "/nowhere", &[], b"")).await;
        assert_eq!(connection.answer().await.status, 404);
        all.push(connection);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_take_little_and_disturb_no_request() {
    allow_files(CONNECTIONS as u64 + 500);
    let upstream = Upstream::start().await;
    let limits = format!(
        "max_connections = {CONNECTIONS}\nheader_read_timeout = \"10m\"\nkeep_alive_timeout = \"10m\"\n"
    );
    let gateway = Gateway::start(&upstream, Settings::default().server(&limits)).await;
    let before = gateway.memory();
    let mut opening = JoinSet::new();
    for _ in 0..AT_ONCE {
        opening.spawn(opened(gateway.address, CONNECTIONS / AT_ONCE));
    }
    let mut idle: Vec<_> = opening.join_all().await.into_iter().flatten().collect();
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < CONNECTIONS as u64 * EACH, "{CONNECTIONS} idle connections took {grown} bytes");

    // A further connection waits in the system's queue, while the clients with a connection are served.
    let address = gateway.address;
    let waiting = tokio::spawn(async move { request(address, "POST", "/v1/charges", &[], "a").await });
    for number in 0..10 {
        let connection = &mut idle[number * 7 * AT_ONCE];
        connection.send(keyed(&format!("k-{number}"))).await;
        assert_eq!(connection.answer().await.status, 201);
    }
    assert!(!waiting.is_finished(), "there is no place for it yet");
    idle.pop();
    assert_eq!(waiting.await.expect("no panic").status, 201);
    assert_eq!((upstream.executions(), gateway.record_count().await), (11, 10));
}
