//! What the kernel says that processes cost.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// The time on a CPU of each thread of some processes, to the nanosecond.
///
/// The kernel keeps it whether or not it collects further statistics of scheduling. A thread that ends
/// between two readings takes what it did since the first along; those that end here, idle threads of a
/// pool, did nothing.
pub struct Cpu(HashMap<u32, u64>);

impl Cpu {
    /// Of a process and everything below it.
    pub fn of(pid: u32) -> Self {
        let mut threads = HashMap::new();
        collect(pid, &mut threads);
        Self(threads)
    }

    /// What was used between an earlier reading and this one.
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

/// The memory of a process that is in RAM, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(first_number).expect("a running process has memory")
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
