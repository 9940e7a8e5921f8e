//! A disk that fails under a running store: EIO on sync, ENOSPC on write.

use std::path::Path;

use oncegate::clock::Timestamp;
use oncegate::protocol::RecordId;
use oncegate::store::{Claimed, StoreError};
use tokio::task::JoinSet;

use super::child::{self, Process};
use super::reopen::{bench, close};
use crate::bench::{Bench, STILL, claim, complete, id, owner};
use crate::decisions;
use crate::servers::preload;

const BEFORE: u64 = 10;
const DURING: u64 = 8;

#[test]
fn a_failing_sync_breaks_the_store_for_good() {
    broken_by("sync");
}

#[test]
fn a_full_disk_breaks_the_store_for_good() {
    broken_by("write");
}

/// The child checks the state that it can see. The next process, on a working disk, must find every
/// acknowledged write.
fn broken_by(mode: &str) {
    let work = tempfile::tempdir().expect("a directory");
    let (dir, library) =
        (work.path().join("store"), preload::compile("tests/store/embedded/failing_disk.c", work.path()));
    let trigger = work.path().join("trigger");
    let environment = [
        ("LD_PRELOAD", library.as_path()),
        ("FAILING_DISK_TRIGGER", &trigger),
        ("FAILING_DISK_DIR", &dir),
        ("FAILING_DISK_MODE", Path::new(mode)),
    ];
    let (reports, status) = Process::start("embedded::faults::failing_process", &dir, &environment).finish();
    assert!(status.success() && reports == ["held"], "{reports:?}");
    assert!(trigger.exists());

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let bench = bench(&dir);
        for number in 0..BEFORE {
            assert_eq!(bench.record(id(number)).await.state.name(), "completed");
        }
        // An unclear write may be there or not. A refused write is not there.
        for number in BEFORE..BEFORE + DURING {
            let unclear = bench.read(id(number)).await.record;
            assert!(unclear.is_none_or(|record| record.state.name() == "running"));
        }
        assert_eq!(bench.read(id(100)).await.record, None);
        bench.won(id(100), owner(1), STILL).await;
        close(bench);
    });
}

#[test]
#[ignore = "the main function of a second process whose disk fails"]
fn failing_process() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let bench = bench(&child::dir());
        for number in 0..BEFORE {
            bench.won(id(number), owner(number), STILL).await;
            bench.apply(id(number), complete(owner(number), 1)).await;
        }
        let trigger = std::env::var_os("FAILING_DISK_TRIGGER").expect("a trigger");
        std::fs::write(trigger, "").expect("a file elsewhere");
        nothing_is_acknowledged(&bench).await;
        is_broken(&bench).await;
        close(bench);
    });
    child::report("held");
}

/// Makes several claims at once. The first goes through the ledger, and its second try is refused. The
/// refusal must not make the first try look refused as well.
async fn nothing_is_acknowledged(bench: &Bench) {
    let mut claims = JoinSet::new();
    let first = async {
        let claimed = decisions::claim(&bench.ledger, id(BEFORE), claim(owner(BEFORE), STILL)).await;
        claimed.map(|decision| decision.verdict).expect_err("refused")
    };
    let others = async {
        for number in BEFORE + 1..BEFORE + DURING {
            let bench = bench.clone();
            claims.spawn(async move { attempt(&bench, id(number), number).await });
        }
        claims.join_all().await
    };
    let (first, others) = tokio::join!(biased; first, others);
    assert!(matches!(first, StoreError::Unclear(_)), "{first}");
    assert!(std::error::Error::source(&first).is_some(), "the engine's own error");
    for other in others {
        let error = other.expect_err("refused");
        assert!(!matches!(error, StoreError::Unreadable { .. }), "{error}");
    }
}

async fn is_broken(bench: &Bench) {
    let cause = bench.store.broken().await;
    assert!(cause.contains("writing failed"), "{cause}");
    for _ in 0..3 {
        let refused = attempt(bench, id(100), 100).await.expect_err("refused");
        assert!(matches!(&refused, StoreError::Unavailable(named) if *named == cause), "{refused}");
        assert!(bench.store.ready().await.is_err());
    }
    // Readers see every record that was synced before, and none of the others.
    for number in 0..BEFORE {
        assert_eq!(bench.record(id(number)).await.state.name(), "completed");
    }
    for number in BEFORE..BEFORE + DURING {
        assert_eq!(bench.read(id(number)).await.record, None);
    }
}

async fn attempt(bench: &Bench, id: RecordId, number: u64) -> Result<Claimed, StoreError> {
    bench.store.claim(id, claim(owner(number), STILL).first(Timestamp(0))).await
}
