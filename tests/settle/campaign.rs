//! Seeded rounds of every policy on every store: a few in every test run, hundreds by hand.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::policy::Policy;
use crate::round::{Report, Round};
use crate::store::Kind;

const STORES: [Kind; 3] = [Kind::Postgres, Kind::Redis, Kind::Embedded];

/// Runs a few rounds, the same in every run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_rounds_of_every_policy() {
    run(6, 1, 16).await;
}

/// Runs the rounds of the environment: `ONCEGATE_ROUNDS` for each policy and store, from `ONCEGATE_SEED` on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes: by hand, before a release and after a change of settling"]
async fn campaign() {
    run(of_env("ONCEGATE_ROUNDS", 300), of_env("ONCEGATE_SEED", 1), of_env("ONCEGATE_PARALLEL", 16)).await;
}

/// Returns a number from the environment.
pub fn of_env<T: FromStr>(name: &str, default: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs `rounds` of each policy on each store, `parallel` at a time, and prints what came of them.
async fn run(rounds: u64, seed: u64, parallel: usize) {
    if !cfg!(debug_assertions) {
        panic!("the gateways of a release build have no failpoints");
    }
    let (started, places) = (Instant::now(), Arc::new(Semaphore::new(parallel)));
    let only = env::var("ONCEGATE_ONLY").unwrap_or_default();
    let mut running = JoinSet::new();
    for seed in seed..seed + rounds {
        for policy in Policy::ALL.into_iter().filter(|policy| only.is_empty() || policy.name() == only) {
            for store in STORES {
                let (round, places) = (Round { seed, policy, store }, Arc::clone(&places));
                running.spawn(async move {
                    let _place = places.acquire_owned().await.expect("it is never closed");
                    // A panic of one round must not end the others.
                    let report = tokio::spawn(round.run()).await;
                    (round, report.unwrap_or_else(|error| broken(error.to_string())))
                });
            }
        }
    }
    let mut reports = Vec::new();
    while let Some(report) = running.join_next().await {
        reports.push(report.expect("no panic"));
        if reports.len().is_multiple_of(100) {
            let failed = reports.iter().filter(|(_, report)| !report.broken.is_empty()).count();
            println!("{} rounds, {failed} failed, {:?}", reports.len(), started.elapsed());
        }
    }
    println!("{}{:?}", table(&reports), started.elapsed());
    let mut failures = String::new();
    for (round, report) in reports.iter().filter(|(_, report)| !report.broken.is_empty()) {
        writeln!(failures, "{round:?} {:?}: {:#?}", round.fault(), report.broken)
            .expect("a string takes all");
    }
    assert!(failures.is_empty(), "{failures}");
}

fn table(reports: &[(Round, Report)]) -> String {
    let mut table = format!("{:<30}{:<10}{HEAD}\n", "policy", "store");
    for policy in Policy::ALL {
        for store in STORES {
            let of_both = |(round, _): &&(Round, Report)| round.policy == policy && round.store == store;
            let line = summary(&reports.iter().filter(of_both).collect::<Vec<_>>());
            writeln!(table, "{:<30}{:<10}{line}", policy.name(), format!("{store:?}")).expect("a string");
        }
    }
    table
}

const HEAD: &str = "  rounds  operations  unknowns  held  doubles  late  failed  settled";

fn summary(reports: &[&(Round, Report)]) -> String {
    let sum = |of: fn(&Report) -> usize| reports.iter().map(|(_, report)| of(report)).sum::<usize>();
    let mut settled = BTreeMap::<&str, usize>::new();
    for (by, count) in reports.iter().flat_map(|(_, report)| &report.settled) {
        *settled.entry(by).or_default() += count;
    }
    let failed = reports.iter().filter(|(_, report)| !report.broken.is_empty()).count();
    format!(
        "{:>8}{:>12}{:>10}{:>6}{:>9}{:>6}{failed:>8}  {settled:?}",
        reports.len(),
        sum(|report| report.operations),
        sum(|report| report.unknowns),
        sum(|report| report.held),
        sum(|report| report.doubles),
        sum(|report| report.late),
    )
}

fn broken(why: String) -> Report {
    Report { broken: vec![why], ..Report::default() }
}
