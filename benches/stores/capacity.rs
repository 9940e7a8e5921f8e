//! The cost of a payment for each part: `capacity [--callers N] [STORE …]`.
//!
//! The stores take turns, each with 1, 64 and 256 callers, or with N. All processes share the machine, so the
//! number of payments a second says little about a store that has a machine of its own. The CPU time of each
//! process for a payment says more: a core that does nothing else carries one second divided by it. That
//! figure is derived, and printed as such. Beside it are the counts that the store itself keeps: bytes
//! received and sent, bytes of its log, syncs. Three primaries of a Redis Cluster are one of the stores.

use std::sync::Arc;
use std::time::Duration;

use crate::contenders::{CLUSTER, Contender, STORES, open};
use crate::load::{Measured, closed};

/// Numbers of callers.
const CALLERS: [usize; 3] = [1, 64, 256];

/// The figures of one store with one number of callers, over all rounds.
pub struct CapacityResult {
    pub store: &'static str,
    pub callers: usize,
    pub rounds: Vec<Measured>,
    /// CPU time of each server.
    pub node_cpu: Vec<Duration>,
    /// Number of scripts that each Redis ran.
    pub node_scripts: Vec<u64>,
    /// Counts of the store.
    pub counts: Vec<(&'static str, f64)>,
}

impl CapacityResult {
    fn new(store: &'static str, callers: usize) -> Self {
        let (node_cpu, node_scripts) = (Vec::new(), Vec::new());
        Self { store, callers, rounds: Vec::new(), node_cpu, node_scripts, counts: Vec::new() }
    }

    /// Returns the number of payments.
    pub fn payments(&self) -> f64 {
        self.rounds.iter().map(|round| round.done as f64).sum()
    }

    /// Returns the median of the rounds.
    pub fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    }
}

/// Measures the stores of these names, or all.
pub async fn measure(
    names: &[String],
    callers: Option<u64>,
    slice: Duration,
    rounds: usize,
) -> Vec<CapacityResult> {
    let numbers = callers.map_or(CALLERS.to_vec(), |one| vec![one as usize]);
    let mut contenders = Vec::new();
    for name in STORES.into_iter().chain([CLUSTER]) {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            contenders.push(open(name).await);
        }
    }
    let mut results = Vec::new();
    for callers in &numbers {
        results.extend(contenders.iter().map(|contender| CapacityResult::new(contender.name, *callers)));
    }
    for round in 0..rounds {
        for (number, result) in results.iter_mut().enumerate() {
            let contender = &contenders[number % contenders.len()];
            let first = ((round * numbers.len() + number / contenders.len()) as u64) << 32;
            drive(contender, result, slice, first).await;
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    results
}

/// Drives a store for one slice, and adds the figures of the slice to `result`.
async fn drive(contender: &Contender, result: &mut CapacityResult, slice: Duration, first: u64) {
    let (worker, server) = (Arc::clone(&contender.worker), &contender.server);
    let counts = server.counts().await;
    let (scripts, cpu) = (server.scripts_of_nodes(), server.cpu_of_nodes());
    let work = move |number| worker.cycle(first + number);
    result.rounds.push(closed(result.callers, slice, server, work).await);
    let used = server.cpu_of_nodes().into_iter().zip(cpu).map(|(after, before)| after - before);
    add(&mut result.node_cpu, used);
    let ran = server.scripts_of_nodes().into_iter().zip(scripts).map(|(after, before)| after - before);
    add(&mut result.node_scripts, ran);
    for (before, (name, after)) in counts.into_iter().zip(server.counts().await) {
        match result.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += after - before.1,
            None => result.counts.push((name, after - before.1)),
        }
    }
}

fn add<T: std::ops::AddAssign + Copy>(sums: &mut Vec<T>, more: impl Iterator<Item = T>) {
    for (index, one) in more.enumerate() {
        match sums.get_mut(index) {
            Some(sum) => *sum += one,
            None => sums.push(one),
        }
    }
}
