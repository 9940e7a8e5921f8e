//! Kills with SIGKILL at arbitrary moments: every acknowledged write is there afterwards.

use std::collections::BTreeMap;

use oncegate::protocol::{Reason, RecordId};

use crate::bench::{Bench, STILL, complete, id, owner};

use super::child::{self, Process};
use super::reopen::{bench, close};

const ROUNDS: u64 = 8;
const TASKS: u64 = 16;

#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        let reports = killed_after(1 + random_below(600), dir.path());
        for report in reports {
            let (number, state) = report.split_once(' ').expect("a number and a state");
            acknowledged.insert(number.parse().expect("a number"), state.to_owned());
        }
        runtime.block_on(check(dir.path(), &acknowledged, round));
    }
    assert!(acknowledged.len() as u64 > ROUNDS, "the rounds did something");
}

/// Returns the reports of a child that is killed after about `reports` of them.
fn killed_after(reports: u64, dir: &std::path::Path) -> Vec<String> {
    let mut process = Process::start("embedded::crash::busy_process", dir, &[]);
    let mut seen = Vec::new();
    for _ in 0..reports {
        seen.push(process.report().expect("a child that goes on until it is killed"));
    }
    process.kill();
    let (rest, status) = process.finish();
    assert!(!status.success(), "it was killed");
    seen.extend(rest);
    seen
}

async fn check(dir: &std::path::Path, acknowledged: &BTreeMap<u64, String>, round: u64) {
    let bench = bench(dir);
    for (number, state) in acknowledged {
        // `read` also compares the response of a completed record, byte for byte.
        let stored = bench.record(id(*number)).await.state.name();
        let later = match state.as_str() {
            "running" => ["running", "completed", "unknown"].contains(&stored),
            last => last == stored,
        };
        assert!(later, "round {round}: {number} was {state} and is {stored}");
    }
    close(bench);
}

fn random_below(limit: u64) -> u64 {
    getrandom::u64().expect("randomness") % limit
}

#[test]
#[ignore = "the main function of a second process that another test kills"]
fn busy_process() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bench = bench(&child::dir());
    runtime.block_on(async {
        let tasks = (0..TASKS).map(|_| tokio::spawn(operations(bench.clone())));
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("a task that goes on until it is killed");
        }
    });
}

/// Runs one operation after the other, and reports each step once it is acknowledged.
async fn operations(bench: Bench) {
    loop {
        let number = getrandom::u64().expect("randomness");
        let operation: RecordId = id(number);
        bench.won(operation, owner(number), STILL).await;
        child::report(&format!("{number} running"));
        let (end, state) = match number % 4 {
            0 => {
                let reason = Reason::ConnectionLost;
                (crate::events::Event::Lose { owner: owner(number), n: 1, reason }, "unknown")
            }
            _ => (complete(owner(number), 1), "completed"),
        };
        bench.apply(operation, end).await;
        child::report(&format!("{number} {state}"));
    }
}
