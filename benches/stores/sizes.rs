//! The size of a record and of a tombstone: `sizes [--keys N] [STORE …]`.
//!
//! A store is filled through its own writes, and asked for its size by its own accounting: `used_memory` of
//! Redis, the relations of Postgres with their indexes and TOAST tables, the directory of the embedded store,
//! the resident memory of this process. Tombstones come about as in use: operations are completed, their
//! responses end, and a sweep retires them, some thousands at a time. Sizes are printed as they are then, and
//! *packed*: after `VACUUM FULL`, or the engine's compaction. In use, a store is somewhere between the two.
//!
//! A last run sweeps operations to the end of their tombstones, for the cost of an operation's end.

use std::time::Duration;

use oncegate::store::Ledger;
use tokio::time::sleep;

use crate::contenders::{Contender, Kept, STORES, open};
use crate::keys::complete_all;
use crate::load::cpu_of;

pub const DEFAULT: u64 = 100_000;
/// Number of operations that are completed before a sweep retires them.
const TOGETHER: u64 = 2_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SHORT: Duration = Duration::from_millis(1);

/// The figures of one store.
pub struct SizeResult {
    pub store: &'static str,
    pub keys: u64,
    pub record: Size,
    pub tombstone: Size,
    /// CPU time to retire and to forget an operation: of this process, and of the server.
    pub end_cpu: (Duration, Duration),
}

/// The bytes of an operation.
pub struct Size {
    pub found: f64,
    pub packed: f64,
}

/// Measures the stores of these names, or all, one after the other.
pub async fn measure(names: &[String], keys: u64) -> Vec<SizeResult> {
    let mut all = Vec::new();
    for name in STORES.into_iter().filter(|name| names.is_empty() || names.iter().any(|one| one == name)) {
        let record = size(name, keys, Kept::from(DAY)).await;
        let tombstone = size(name, keys, Kept::from(SHORT)).await;
        let end_cpu = end(name, keys).await;
        all.push(SizeResult { store: name, keys, record, tombstone, end_cpu });
        eprintln!("measured {name}");
    }
    all
}

/// Returns the bytes of one of `keys` operations, once those are retired that are kept for a short time only.
async fn size(name: &'static str, keys: u64, kept: Kept) -> Size {
    let contender = open(name).await;
    let before = contender.server.bytes().await;
    for first in (0..keys).step_by(TOGETHER as usize) {
        let many = TOGETHER.min(keys - first);
        complete_all(&ledger(&contender), first, many, kept).await;
        if kept.ttl == SHORT {
            sweep(&ledger(&contender), many, Ended::Response).await;
        }
    }
    let found = contender.server.bytes().await.saturating_sub(before);
    // The files of the embedded store are opened by the engine next, so the store closes first.
    let Contender { worker, server, .. } = contender;
    let empty = if name == "postgres" || name == "embedded" { 0 } else { before };
    if name == "embedded" {
        drop(worker);
    }
    let packed = server.packed_bytes().await.saturating_sub(empty);
    let each = |bytes: u64| bytes as f64 / keys as f64;
    Size { found: each(found), packed: each(packed) }
}

/// Returns the CPU time to retire and to forget an operation.
async fn end(name: &'static str, keys: u64) -> (Duration, Duration) {
    let contender = open(name).await;
    let kept = Kept { ttl: SHORT, tombstone_ttl: SHORT };
    complete_all(&ledger(&contender), 0, keys, kept).await;
    let (own, served) = (cpu_of(std::process::id()), contender.server.cpu());
    sweep(&ledger(&contender), keys, Ended::Tombstone).await;
    let each = |spent: Duration| spent / keys as u32;
    let own = cpu_of(std::process::id()).saturating_sub(own);
    (each(own), each(contender.server.cpu().saturating_sub(served)))
}

/// The part of an operation that a sweep ends.
enum Ended {
    Response,
    Tombstone,
}

/// Sweeps until the sweeps have ended `many` of these.
async fn sweep(ledger: &Ledger, many: u64, ended: Ended) {
    let mut done = 0;
    while done < many as usize {
        let swept = ledger.sweep().await.expect("a sweep");
        done += match ended {
            Ended::Response => swept.retired,
            Ended::Tombstone => swept.forgotten,
        };
        if !swept.more {
            sleep(SHORT).await;
        }
    }
}

fn ledger(contender: &Contender) -> Ledger {
    contender.worker.ledger().expect("it has one")
}
