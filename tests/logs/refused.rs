//! Standard error takes no bytes: its reader is gone, its disk is full, or it was closed.

use std::fs::File;
use std::process::Stdio;

use crate::harness::Upstream;
use crate::process::Process;

#[tokio::test]
async fn a_reader_that_has_gone_ends_nothing() {
    let upstream = Upstream::start().await;
    let (process, lines) = Process::start(&upstream, &[]).await;
    drop(lines);
    process.pass(100).await;
    process.delete_one("deleted").await;
    process.drops_more_than(99).await;
    assert_eq!(process.terminated().await, Some(0));
    assert_eq!(upstream.executions(), 101);
}

#[tokio::test]
async fn a_full_disk_ends_nothing() {
    let upstream = Upstream::start().await;
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let process = Process::mute(&upstream, full.into()).await;
    process.pass(100).await;
    process.drops_more_than(99).await;
    assert_eq!(process.terminated().await, Some(0));
}

/// The library opens the null device in its place.
#[tokio::test]
async fn a_closed_one_ends_nothing() {
    let upstream = Upstream::start().await;
    let process = Process::mute(&upstream, Stdio::null()).await;
    process.pass(100).await;
    assert_eq!(process.dropped().await, 0);
    assert_eq!(process.terminated().await, Some(0));
}
