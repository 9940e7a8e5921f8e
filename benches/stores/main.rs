//! The cost of the stores, all in one run: `cargo bench --bench stores [-- --quick] [NAME …]`.
//!
//! Each store is driven through the ledger by 64 callers, as by a busy gateway: with *cycles* of a claim
//! and a completion with a 300-byte response, and with *replays*. The stores take turns in short slices,
//! so that a drift of the machine's speed slows all of them. The table shows the median slice, and the
//! JSON file that it names shows every slice. CPU is the kernel's own accounting: of this process,
//! callers included, and of the server's processes.
//!
//! `postgres, one by one` is the floor that batching is compared with: the same rows, written by
//! statements of one row each over sixteen connections.
//!
//! Instead of that:
//!
//! * `cargo bench --bench stores -- keys [--keys N] [NAME …]` compares many live keys with few.
//! * `cargo bench --bench stores -- sizes [--keys N] [NAME …]` measures the bytes of a record and a tombstone.
//! * `cargo bench --bench stores -- capacity [--callers N] [NAME …]` measures the CPU of each part for a
//!   payment, also of three primaries of a Redis Cluster (`redis-cluster`).

use std::sync::Arc;
use std::time::Duration;

mod capacity;
mod contenders;
mod floor;
mod keys;
mod load;
mod report;
mod server;
mod sizes;
mod sweeping;
mod tables;

#[path = "../../tests/servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests")]
mod servers;

use contenders::Contender;
use report::Slice;

/// Duration of one slice, and the number of slices that each store gets for each kind of work.
const FULL: (Duration, usize) = (Duration::from_millis(1500), 7);
const QUICK: (Duration, usize) = (Duration::from_millis(300), 2);

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let many = number_after("--keys", &mut words);
    let callers = number_after("--callers", &mut words);
    let (slice, rounds) = if words.iter().any(|word| word == "--quick") { QUICK } else { FULL };
    let mut names: Vec<String> = words.into_iter().filter(|word| !word.starts_with("--")).collect();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let other = names.first().filter(|name| ["keys", "sizes", "capacity"].contains(&name.as_str())).cloned();
    if other.is_some() {
        names.remove(0);
    }
    match other.as_deref() {
        Some("keys") => {
            let many = many.unwrap_or(keys::DEFAULT);
            let results = runtime.block_on(keys::measure(&names, many, slice));
            report::print_keys(&results);
            report::write_keys(&results);
        }
        Some("sizes") => {
            let many = many.unwrap_or(sizes::DEFAULT);
            tables::print_sizes(&runtime.block_on(sizes::measure(&names, many)));
        }
        Some(_) => {
            tables::print_capacity(&runtime.block_on(capacity::measure(&names, callers, slice, rounds)))
        }
        None => runtime.block_on(run(&names, slice, rounds)),
    }
}

/// Takes an option and its value out of the words.
fn number_after(option: &str, words: &mut Vec<String>) -> Option<u64> {
    let at = words.iter().position(|word| word == option)?;
    words.remove(at);
    assert!(at < words.len(), "{option} needs a number");
    Some(words.remove(at).parse().unwrap_or_else(|_| panic!("{option} needs a number")))
}

async fn run(names: &[String], slice: Duration, rounds: usize) {
    let contenders = contenders::all(names).await;
    let mut slices = Vec::new();
    for round in 0..rounds {
        for contender in &contenders {
            slices.extend(measure(contender, slice, round).await);
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    report::print(&contenders, &slices);
    let mut sweeps = Vec::new();
    for contender in contenders.iter().filter(|contender| contender.sweeps()) {
        sweeps.push(sweeping::measure(contender, slice).await);
    }
    report::print_sweeps(&sweeps);
    report::write(&slices, &sweeps);
}

async fn measure(contender: &Contender, slice: Duration, round: usize) -> Vec<Slice> {
    let worker = Arc::clone(&contender.worker);
    let first = (round as u64) << 32;
    let cycles = load::closed(load::CALLERS, slice, &contender.server, {
        let worker = Arc::clone(&worker);
        move |number| worker.cycle(first + number)
    });
    let cycles = cycles.await;
    let done = cycles.done.max(1);
    let replays = load::closed(load::CALLERS, slice, &contender.server, move |number| {
        worker.replay(first + number % done)
    });
    let replays = replays.await;
    vec![
        Slice { store: contender.name, work: "cycle", measured: cycles },
        Slice { store: contender.name, work: "replay", measured: replays },
    ]
}
