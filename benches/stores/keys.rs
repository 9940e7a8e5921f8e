//! Comparison of a store with many live keys with one with few: `keys [--keys N] [STORE …]`.
//!
//! Each store is opened twice, and filled through its own writes, by many callers: with ten thousand
//! completed operations and with N, a million unless told otherwise. The two then take turns. Claims
//! begin at fixed times, well below the capacity of either, so that their latency is not that of a
//! queue.

use std::time::{Duration, Instant};

use oncegate::store::Ledger;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::contenders::{Contender, Kept, STORES, begin, complete, finish, open};
use crate::load::quantile_of;

const FEW_KEYS: u64 = 10_000;
/// Largest number of keys. Other operations have numbers above it.
pub const MAX_KEYS: u64 = 1 << 40;
pub const DEFAULT: u64 = 1_000_000;
const CALLERS: u64 = 256;
/// Number of claims a second.
const RATE: u64 = 500;
const ROUNDS: u64 = 7;
/// Number of operations that expire for a sweep to find.
const EXPIRING: u64 = 5_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The figures of one store with one number of keys.
pub struct KeysResult {
    pub store: &'static str,
    pub keys: u64,
    pub filled_per_second: f64,
    pub bytes_each: f64,
    /// Latency of claims, the median of all turns.
    pub p50: Duration,
    pub p99: Duration,
    /// Time of a sweep that finds no expired record.
    pub idle_sweep: Duration,
    /// Time of a sweep for each expired operation.
    pub sweep_each: Duration,
    /// CPU time of such a sweep: of this process, and of the server.
    pub sweep_cpu: (Duration, Duration),
}

/// Measures the stores one after the other. Each is gone before the next is filled.
pub async fn measure(names: &[String], many: u64, slice: Duration) -> Vec<KeysResult> {
    let mut all = Vec::new();
    for name in STORES.into_iter().filter(|name| names.is_empty() || names.iter().any(|one| one == name)) {
        let mut filled = Vec::new();
        for keys in [FEW_KEYS, many] {
            let contender = open(name).await;
            let result = fill(&contender, keys).await;
            eprintln!("{name}: {keys} keys, {:.0} a second", result.filled_per_second);
            filled.push((contender, result, Vec::new(), Vec::new()));
        }
        for turn in 0..ROUNDS {
            for (contender, _, p50, p99) in &mut filled {
                let latencies = claims(&ledger(contender), slice, turn).await;
                p50.push(quantile_of(&latencies, 0.5));
                p99.push(quantile_of(&latencies, 0.99));
            }
        }
        for (contender, mut result, p50, p99) in filled {
            (result.p50, result.p99) = (median(p50), median(p99));
            sweep(&contender, &mut result).await;
            all.push(result);
        }
    }
    all
}

fn ledger(contender: &Contender) -> Ledger {
    contender.worker.ledger().expect("it has one")
}

/// Completes `keys` operations with responses that are kept.
async fn fill(contender: &Contender, keys: u64) -> KeysResult {
    let (before, started) = (contender.server.bytes().await, Instant::now());
    complete_all(&ledger(contender), 0, keys, DAY).await;
    let took = started.elapsed();
    let bytes = contender.server.bytes().await.saturating_sub(before);
    KeysResult {
        store: contender.name,
        keys,
        filled_per_second: keys as f64 / took.as_secs_f64(),
        bytes_each: bytes as f64 / keys as f64,
        p50: Duration::ZERO,
        p99: Duration::ZERO,
        idle_sweep: Duration::ZERO,
        sweep_each: Duration::ZERO,
        sweep_cpu: (Duration::ZERO, Duration::ZERO),
    }
}

/// Completes operations, from number `first` on, by many callers.
pub async fn complete_all(ledger: &Ledger, first: u64, many: u64, kept: impl Into<Kept>) {
    let kept = kept.into();
    let mut filling = JoinSet::new();
    for part in 0..CALLERS {
        let ledger = ledger.clone();
        filling.spawn(async move {
            for number in (part..many).step_by(CALLERS as usize) {
                complete(&ledger, first + number, kept).await;
            }
        });
    }
    filling.join_all().await;
}

/// Returns the sorted durations of claims that began at fixed times. The runtime's timer, good to a
/// millisecond, decides when a claim begins, but is no part of its duration.
async fn claims(ledger: &Ledger, span: Duration, turn: u64) -> Vec<Duration> {
    let (started, mut claims) = (tokio::time::Instant::now(), JoinSet::new());
    for number in 0..RATE * span.as_millis() as u64 / 1000 {
        sleep_until(started + Duration::from_micros(number * 1_000_000 / RATE)).await;
        let (ledger, number) = (ledger.clone(), MAX_KEYS + (turn << 32) + number);
        claims.spawn(async move {
            let asked = Instant::now();
            let won = begin(&ledger, number, DAY).await;
            let took = asked.elapsed();
            finish(&ledger, number, &won).await;
            took
        });
    }
    let mut latencies = claims.join_all().await;
    latencies.sort();
    latencies
}

async fn sweep(contender: &Contender, result: &mut KeysResult) {
    let ledger = ledger(contender);
    let mut idle = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        ledger.sweep().await.expect("a sweep");
        idle.push(started.elapsed());
    }
    result.idle_sweep = median(idle);
    complete_all(&ledger, 2 * MAX_KEYS, EXPIRING, Duration::from_millis(1)).await;
    let (own, served) = (crate::load::cpu_of(std::process::id()), contender.server.cpu());
    let (started, mut retired) = (Instant::now(), 0);
    while retired < EXPIRING as usize {
        retired += ledger.sweep().await.expect("a sweep").retired;
    }
    let each = |spent: Duration| spent / EXPIRING as u32;
    result.sweep_each = each(started.elapsed());
    let own = crate::load::cpu_of(std::process::id()).saturating_sub(own);
    result.sweep_cpu = (each(own), each(contender.server.cpu().saturating_sub(served)));
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    quantile_of(&all, 0.5)
}
