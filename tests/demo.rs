//! The demo as a new user runs it: the real program, run twice.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_oncegate");
/// The user that runs the demo in place of root, because Postgres refuses root.
const NOBODY: u32 = 65_534;

/// Starts the demo with a temporary directory that the test can look into.
fn demo(directory: &Path, once: bool) -> Child {
    let mut command = Command::new(PROGRAM);
    command.arg("demo").args(once.then_some("--once"));
    if am_root() && others_can_run(PROGRAM) {
        chown(directory, Some(NOBODY), Some(NOBODY)).expect("another owner");
        command.uid(NOBODY).gid(NOBODY);
    }
    command.env("TMPDIR", directory).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("the demo can be started")
}

fn am_root() -> bool {
    std::fs::metadata("/proc/self").expect("this process").uid() == 0
}

/// Tells whether users beside root reach a program.
fn others_can_run(program: &str) -> bool {
    let mode = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o001 != 0);
    Path::new(program).ancestors().all(mode)
}

/// Tells whether the demo of this test can start a Postgres.
fn has_postgres() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    (!am_root() || others_can_run(PROGRAM))
        && (std::env::split_paths(&paths).any(|path| path.join("initdb").exists())
            || installed.any(|version| version.path().join("bin/initdb").exists()))
}

/// Checks that no directory and no gateway process of the demo is left.
fn left_nothing(directory: &Path, output: &str) {
    let left: Vec<_> = std::fs::read_dir(directory).expect("the directory").collect();
    assert!(left.is_empty(), "{left:?}");
    let processes = output.split("process ").skip(1).filter_map(|rest| {
        rest.split(|char: char| !char.is_ascii_digit()).next().and_then(|id| id.parse::<u32>().ok())
    });
    for id in processes {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "process {id} lives on");
    }
}

#[tokio::test]
async fn the_script_runs_and_leaves_nothing_behind() {
    let directory = TempDir::new().expect("a temporary directory");
    let told = timeout(PATIENCE, demo(directory.path(), true).wait_with_output());
    let told = told.await.expect("it ends").expect("it ran");
    let output = String::from_utf8(told.stdout).expect("text");
    assert_eq!(told.status.code(), Some(0), "{output}");
    for line in [
        "ada's ledger     2 charges, 24.00 EUR",
        "bob's ledger     1 charge, 12.00 EUR",
        "50 equal ones, 49 of them replays",
        "cleo's ledger    1 charge, 12.00 EUR",
        "422 payload-mismatch, executed: no",
        "outcome-unknown, executed: unknown",
        "201 ch_5, Idempotent-Replayed: true",
        "dora's ledger    1 charge, 12.00 EUR",
        "504 outcome-unknown, executed: unknown",
        "retry: same-key, Retry-After: 4",
        "the gateway asks GET /v1/charges?idempotency_key=order-1004",
        "200 ch_6, Idempotent-Replayed: true",
        "erin's ledger    1 charge, 12.00 EUR",
    ] {
        assert!(output.contains(line), "{line}\n{output}");
    }
    let marker = ["201 ch_101, Idempotent-Replayed: true", "fay's ledger     1 charge, 12.00 EUR"];
    let last = if has_postgres() { &marker[..] } else { &["  left out         "] };
    assert!(last.iter().all(|line| output.contains(line)), "{last:?}\n{output}");
    assert!(output.lines().all(|line| line.chars().count() <= 80), "{output}");
    left_nothing(directory.path(), &output);
}

#[tokio::test]
async fn afterwards_it_stays_up_until_it_is_interrupted() {
    let directory = TempDir::new().expect("a temporary directory");
    let mut demo = demo(directory.path(), false);
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    let mut output = String::new();
    let mut addresses: Vec<SocketAddr> = Vec::new();
    while !output.contains("oncegate serve") {
        let line =
            timeout(PATIENCE, lines.next_line()).await.expect("it goes on").expect("text").expect("a line");
        let target = line
            .split_whitespace()
            .skip_while(|word| *word != "curl")
            .find(|word| word.contains("127.0.0.1"));
        addresses.extend(target.and_then(|target| target.split('/').next()?.parse::<SocketAddr>().ok()));
        output = format!("{output}{line}\n");
    }
    let [gateway, api, records, metrics] = addresses[..] else { panic!("{addresses:?}\n{output}") };
    let charge = r#"{"amount": 500, "currency": "EUR", "customer": "you"}"#;
    for replayed in [false, true] {
        let answer = http(gateway, "POST", "/v1/charges", charge).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert_eq!(answer.contains("idempotent-replayed: true"), replayed, "{answer}");
    }
    assert_eq!(http(api, "GET", "/v1/charges", "").await.matches("\"you\"").count(), 1);
    assert!(http(records, "GET", "/v1/records", "").await.contains("\"completed\""));
    assert!(http(metrics, "GET", "/metrics", "").await.contains("oncegate_requests_total"));

    let id = demo.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.expect("kill runs").success());
    let status = timeout(PATIENCE, demo.wait()).await.expect("it ends").expect("it ran");
    assert_eq!(status.code(), Some(0));
    left_nothing(directory.path(), &output);
}

#[tokio::test]
async fn a_demo_that_is_interrupted_ends_its_postgres() {
    if !has_postgres() {
        return;
    }
    let directory = TempDir::new().expect("a temporary directory");
    let mut demo = demo(directory.path(), true);
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    let mut output = String::new();
    while !output.contains("a Postgres       process ") {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it goes on").expect("text");
        output = format!("{output}{}\n", line.unwrap_or_else(|| panic!("{output}")));
    }
    let id = demo.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.expect("kill runs").success());
    let status = timeout(PATIENCE, demo.wait()).await.expect("it ends").expect("it ran");
    assert_eq!(status.code(), Some(1), "it was not played to its end");
    left_nothing(directory.path(), &output);
}

/// Sends one request and returns the whole response as text.
async fn http(to: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(to).await.expect("the listener accepts");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\nauthorization: Bearer me\r\n"
    );
    let length = body.len();
    let request = format!(
        "{head}idempotency-key: mine-1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}
