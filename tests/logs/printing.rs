//! Commands that print, and a reader that stops reading.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use tokio::task::spawn_blocking;

use crate::harness::{Gateway, Settings, Upstream, post};

/// Runs the binary with a standard output without a reader.
async fn unread(arguments: &[&str]) -> Output {
    let (read, write) = std::io::pipe().expect("a pipe");
    drop(read);
    run(arguments, write.into()).await
}

/// Runs the binary with a standard output on a full disk.
async fn full(arguments: &[&str]) -> Output {
    run(arguments, File::options().write(true).open("/dev/full").expect("Linux has it").into()).await
}

async fn run(arguments: &[&str], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    let ran = spawn_blocking(move || command.spawn().expect("it starts").wait_with_output());
    ran.await.expect("it ran").expect("it ended")
}

fn ends(output: &Output, code: i32, says: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{said:?}");
}

#[tokio::test]
async fn a_reader_that_stops_early_is_no_failure() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    post(gateway.address, "/v1/charges", "k", "a").await;
    let file = gateway.data().with_file_name("oncegate.toml").display().to_string();
    let admin = format!("http://{}", gateway.admin);
    let demo = ["demo", "--once"];
    let commands: [&[&str]; 7] = [
        &["schema"],
        &["check", "--config", &file],
        &["check", "--config", &file, "--short"],
        &["check", "--config", &file, "--connect"],
        &["check", "--print-schema"],
        &["records", "--admin", &admin, "list"],
        &demo,
    ];
    for command in commands {
        ends(&unread(command).await, 0, "");
        ends(&full(command).await, 1, "standard output: No space left on device");
    }
}

#[tokio::test]
async fn a_failure_stays_a_failure_without_a_reader() {
    for stderr in [Stdio::null(), File::options().write(true).open("/dev/full").expect("Linux has it").into()]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
        command.args(["check", "--config", "/nonexistent"]).stdout(Stdio::null()).stderr(stderr);
        let status = spawn_blocking(move || command.status()).await.expect("it ran").expect("it ended");
        assert_eq!(status.code(), Some(2));
    }
}
