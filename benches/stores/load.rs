//! Callers, and the kernel's figures for their cost.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::server::Server;

/// Number of callers of a busy gateway.
pub const CALLERS: usize = 64;
/// Number of clock ticks a second in `/proc`, which is the same on every Linux.
const TICKS: u64 = 100;

/// The figures of one slice.
#[derive(Clone, Debug)]
pub struct Measured {
    pub done: u64,
    pub took: Duration,
    pub own_cpu: Duration,
    pub server_cpu: Duration,
    /// Latencies; sorted.
    pub latencies: Vec<Duration>,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64()
    }

    pub fn micros_each(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.done.max(1) as f64
    }

    pub fn quantile(&self, quantile: f64) -> Duration {
        quantile_of(&self.latencies, quantile)
    }
}

/// Returns a quantile of sorted durations.
pub fn quantile_of(sorted: &[Duration], quantile: f64) -> Duration {
    let index = (sorted.len() as f64 * quantile) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Lets `callers` call `work` again and again for `slice`. Each call gets a number of its own.
pub async fn closed<F, W>(callers: usize, slice: Duration, server: &Server, work: W) -> Measured
where
    W: Fn(u64) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let (work, next) = (Arc::new(work), Arc::new(AtomicU64::new(0)));
    let (own, served, started) = (cpu_of(std::process::id()), server.cpu(), Instant::now());
    let mut calling = JoinSet::new();
    for _ in 0..callers {
        let (work, next) = (Arc::clone(&work), Arc::clone(&next));
        calling.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < slice {
                let asked = Instant::now();
                work(next.fetch_add(1, Ordering::Relaxed)).await;
                latencies.push(asked.elapsed());
            }
            latencies
        });
    }
    let mut latencies: Vec<Duration> = calling.join_all().await.into_iter().flatten().collect();
    latencies.sort();
    Measured {
        done: latencies.len() as u64,
        took: started.elapsed(),
        own_cpu: cpu_of(std::process::id()).saturating_sub(own),
        server_cpu: server.cpu().saturating_sub(served),
        latencies,
    }
}

/// Returns the CPU time that a process and its children have used, including children that have ended.
pub fn cpu_of(pid: u32) -> Duration {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    let own = if pid == std::process::id() { own_ticks(pid, 2) } else { own_ticks(pid, 4) };
    let below = children.filter(|_| pid != std::process::id()).map(|child| own_ticks(child, 2));
    Duration::from_millis((own + below.sum::<u64>()) * 1000 / TICKS)
}

/// Returns user and system time. With four fields, the result includes the time of children that were
/// waited for.
fn own_ticks(pid: u32, fields: usize) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may contain any character. The field utime is the twelfth behind it.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    behind.split_whitespace().skip(11).take(fields).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
