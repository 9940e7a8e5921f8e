//! The kernel's figures for the cost of processes.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// The time on a CPU of each thread of some processes, in nanoseconds.
///
/// The kernel keeps this time whether or not it collects further statistics of scheduling. When a thread
/// ends between two readings, its time since the first is lost. The threads that end here are idle
/// threads of a pool, which did nothing.
pub struct Cpu(HashMap<u32, u64>);

impl Cpu {
    /// Reads the time of a process and all processes below it.
    pub fn of(pid: u32) -> Self {
        let mut threads = HashMap::new();
        collect(pid, &mut threads);
        Self(threads)
    }

    /// Returns the time used between an earlier reading and this one.
    pub fn since(&self, earlier: &Self) -> Duration {
        let used = self.0.iter().map(|(thread, now)| now - earlier.0.get(thread).unwrap_or(&0));
        Duration::from_nanos(used.sum())
    }
}

fn collect(pid: u32, threads: &mut HashMap<u32, u64>) {
    for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let statistics = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
        if let Some(nanos) = first_number(&statistics) {
            threads.insert(thread, nanos);
        }
        let children = fs::read_to_string(entry.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            collect(child, threads);
        }
    }
}

/// Returns the resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(first_number).expect("a running process has memory")
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
