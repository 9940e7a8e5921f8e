//! The pace of sweeping, and its effect on claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oncegate::store::Ledger;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep_until};

use crate::contenders::{Contender, complete};
use crate::load::quantile_of;

/// Number of claims a second, at fixed times.
const RATE: u64 = 500;
/// Number of times that both are measured.
const TURNS: u64 = 5;
/// Number of expiries a second that a sweep has to keep up with.
const PACE: u64 = 5_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// First number of the expiring operations. No other operation has these numbers.
const EXPIRING: u64 = 1 << 60;
const CLAIMED: u64 = 1 << 61;

/// The figures of one store.
pub struct SweepResult {
    pub store: &'static str,
    /// Expiries a second that were reached, of [`PACE`].
    pub per_second: f64,
    pub quiet: Duration,
    pub sweeping: Duration,
}

/// Measures claims at a fixed rate, in turn alone and while records expire at [`PACE`]. Returns the
/// median of the turns.
pub async fn measure(contender: &Contender, slice: Duration) -> SweepResult {
    let ledger = contender.worker.ledger().expect("it has one");
    let expiring = PACE * slice.as_millis() as u64 / 1000;
    let (mut rates, mut quiet, mut sweeping) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        fill(&ledger, turn * expiring, expiring).await;
        quiet.push(claims(&ledger, slice, 2 * turn).await);
        let (stop, started) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let sweeper = tokio::spawn(sweep(ledger.clone(), Arc::clone(&stop), expiring));
        sweeping.push(claims(&ledger, slice, 2 * turn + 1).await);
        stop.store(true, Ordering::Relaxed);
        rates.push(sweeper.await.expect("a sweeper") as f64 / started.elapsed().as_secs_f64());
    }
    quiet.sort();
    sweeping.sort();
    rates.sort_by(f64::total_cmp);
    let middle = TURNS as usize / 2;
    SweepResult {
        store: contender.name,
        per_second: rates[middle],
        quiet: quiet[middle],
        sweeping: sweeping[middle],
    }
}

/// Completes operations with responses that are no longer kept.
async fn fill(ledger: &Ledger, first: u64, many: u64) {
    let mut filling = JoinSet::new();
    for part in 0..64 {
        let ledger = ledger.clone();
        filling.spawn(async move {
            for number in (part..many).step_by(64) {
                complete(&ledger, EXPIRING + first + number, Duration::from_millis(1)).await;
            }
        });
    }
    filling.join_all().await;
}

/// Sweeps as many records as the pace asks for, and no more. Returns their number.
async fn sweep(ledger: Ledger, stop: Arc<AtomicBool>, most: u64) -> u64 {
    let (started, mut done) = (Instant::now(), 0);
    let mut tick = interval(Duration::from_millis(5));
    while !stop.load(Ordering::Relaxed) && done < most {
        tick.tick().await;
        while done < PACE * started.elapsed().as_millis() as u64 / 1000 {
            let step = ledger.sweep().await.expect("a sweep");
            done += (step.retired + step.lapsed + step.forgotten) as u64;
            if !step.more {
                break;
            }
        }
    }
    done
}

/// Returns the 99th percentile of cycles that begin at fixed times, counted from those times.
async fn claims(ledger: &Ledger, span: Duration, turn: u64) -> Duration {
    let started = tokio::time::Instant::now();
    let mut cycles = JoinSet::new();
    for number in 0..RATE * span.as_millis() as u64 / 1000 {
        let due = started + Duration::from_micros(number * 1_000_000 / RATE);
        sleep_until(due).await;
        let (ledger, number) = (ledger.clone(), CLAIMED + (turn << 40) + number);
        cycles.spawn(async move {
            complete(&ledger, number, DAY).await;
            due.elapsed()
        });
    }
    let mut latencies = cycles.join_all().await;
    latencies.sort();
    quantile_of(&latencies, 0.99)
}
