//! More connections than the process may open files.

use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

use crate::harness::{Gateway, Settings, Upstream};
use crate::idle::allow_files;
use crate::peers::{HONEST, STRANGER, dial, pay};

const SOON: Duration = Duration::from_secs(20);

async fn flooded(limit: u64, connections: usize) {
    allow_files(connections as u64 + 500);
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default().descriptors(limit)).await;
    gateway.logs("open files leaves room for").await;
    let mut idle = Vec::new();
    for _ in 0..connections {
        idle.extend(dial(STRANGER, gateway.address).await);
    }
    for number in 0..50 {
        let key = format!("k-{number}");
        for is_replay in [false, true] {
            let answer = timeout(SOON, pay(HONEST, gateway.address, &key)).await.expect("in time");
            assert_eq!((answer.status, answer.is_replay()), (201, is_replay));
        }
    }
    assert_eq!(upstream.executions(), 50);
    assert_eq!(gateway.admin_get("/readyz").await.status, 200);
    assert!(!gateway.log().contains("cannot accept"), "{}", gateway.log());
}

#[tokio::test]
async fn idle_connections_leave_descriptors_for_payments() {
    flooded(1024, 1100).await;
}

#[tokio::test]
async fn payments_run_however_few_descriptors_there_are() {
    flooded(256, 400).await;
}

/// The limit that most shells and services start with is only the soft limit.
#[tokio::test]
async fn the_soft_limit_is_raised() {
    let upstream = Upstream::start().await;
    let soft = Settings::default().soft_descriptors(256);
    let gateway = Gateway::start(&upstream, soft).await;
    let limits = gateway.limits();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let numbers: Vec<_> = line.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect();
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "{line}");
}

#[tokio::test]
async fn check_warns_of_limits_that_do_not_fit() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    let file = gateway.data().with_file_name("oncegate.toml");
    let check = |limit: &str| {
        let script = format!("ulimit -n {limit}; exec \"$0\" check --short --config \"$1\"");
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &script, env!("CARGO_BIN_EXE_oncegate")]).arg(&file);
        String::from_utf8(shell.output().expect("it runs").stdout).expect("text")
    };
    let told = check("1024");
    let line = told.lines().find(|line| line.contains("open files")).expect("a warning");
    assert!(line.contains("warning: server: the hard limit of 1024 open files leaves room for"), "{line}");
    assert!(line.contains("connections instead of max_connections = 10000 and"), "{line}");
}
