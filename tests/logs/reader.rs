//! The reader of the log does not read.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::harness::Upstream;
use crate::process::{PATIENCE, Process, free, full_pipe, json};

#[tokio::test]
async fn no_request_waits_for_it_and_lines_come_again_when_it_reads() {
    let upstream = Upstream::start().await;
    let (process, lines) = Process::start(&upstream, &[]).await;
    process.pass(2000).await;
    assert_eq!(upstream.executions(), 2000);
    for path in ["/healthz", "/readyz", "/v1/records?limit=1"] {
        assert_eq!(process.asks("GET", path).await.status, 200, "{path}");
    }
    process.drops_more_than(0).await;
    // The audit line of an operator's change finds room although the log is not read.
    let deleted = process.delete_one("deleted").await;
    let dropped = process.dropped().await;

    let mut all = Vec::new();
    let report = loop {
        let line = lines.until("\n").await;
        let event = json(&line);
        all.push(line);
        if event["message"].as_str().is_some_and(|message| message.contains("lines were dropped")) {
            break event;
        }
    };
    assert_eq!(report["dropped"], dropped, "{report}");
    assert_eq!(report["level"], "WARN", "{report}");
    let told = all.iter().filter(|line| line.contains("\"path\":\"/v1/")).count() as u64;
    assert_eq!(told + dropped, 2 * 2001, "each request and each execution has its line or is counted");
    assert!(all.iter().any(|line| line.contains("oncegate::audit") && line.contains(&deleted)), "{deleted}");

    // The process works as before.
    process.delete_one("deleted-later").await;
    lines.until("record deleted").await;
    assert_eq!(process.dropped().await, dropped);
    assert_eq!(process.terminated().await, Some(0));
    let last = lines.rest().await;
    assert!(last.iter().any(|line| line.contains("draining")), "{last:?}");
    last.iter().for_each(|line| drop(json(line)));
}

#[tokio::test]
async fn the_process_ends_although_it_is_stuck_and_its_last_lines_are_there_to_read() {
    let upstream = Upstream::start().await;
    let (process, lines) = Process::start(&upstream, &[]).await;
    process.pass(600).await;
    process.drops_more_than(0).await;
    let begin = Instant::now();
    assert_eq!(process.terminated().await, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    drop(lines);

    let (process, lines) = Process::start(&upstream, &[]).await;
    process.pass(600).await;
    process.drops_more_than(0).await;
    let read = tokio::spawn(async move { lines.rest().await });
    assert_eq!(process.terminated().await, Some(0));
    let last = read.await.expect("it is read");
    assert!(last.iter().any(|line| line.contains("draining")), "the line of the end is missing");
    last.iter().for_each(|line| drop(json(line)));
}

#[tokio::test]
async fn a_start_that_fails_ends_although_nothing_reads_why() {
    let upstream = Upstream::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = [taken.local_addr().expect("an address"), free()];
    let (mut read, stuck) = full_pipe();
    assert_eq!(Process::with(&upstream, &[], stuck, at).ended().await, Some(1));
    drop(read);

    let (again, write) = std::io::pipe().expect("a pipe");
    read = again;
    assert_eq!(Process::with(&upstream, &[], write.into(), at).ended().await, Some(1));
    let mut said = String::new();
    read.read_to_string(&mut said).expect("text");
    assert!(said.contains("cannot start: server.listen"), "{said}");
}

#[tokio::test]
async fn a_panic_is_a_line_of_the_log() {
    let upstream = Upstream::start().await;
    let environment = [("ONCEGATE_FAILPOINT", "panic-after-response"), ("RUST_BACKTRACE", "1")];
    let (process, lines) = Process::start(&upstream, &environment).await;
    let asked = tokio::spawn(crate::harness::post(process.public, "/v1/charges", "k", "a"));
    let panic = json(&lines.until("panicked").await);
    assert_eq!(panic["level"], "ERROR", "{panic}");
    assert!(panic["at"].as_str().is_some_and(|at| at.contains("src/failpoint.rs:")), "{panic}");
    assert!(panic["backtrace"].as_str().is_some_and(|text| text.contains("failpoint")), "{panic}");
    tokio::time::timeout(PATIENCE, asked).await.expect("in time").expect("it is told");
}
