//! Tables for people and a file for machines.

use std::time::Duration;

use serde_json::{Value, json};

use crate::contenders::Contender;
use crate::keys::KeysResult;
use crate::load::Measured;
use crate::sweeping::SweepResult;

const FILE: &str = "target/bench-stores.json";
const KEYS_FILE: &str = "target/bench-stores-keys.json";

/// A slice of one store.
pub struct Slice {
    pub store: &'static str,
    pub work: &'static str,
    pub measured: Measured,
}

/// Prints the median slice of each store and kind of work.
pub fn print(contenders: &[Contender], slices: &[Slice]) {
    println!(
        "{:<22} {:<7} {:>9} {:>17} {:>9} {:>9} {:>11} {:>11}",
        "store", "work", "a second", "(min … max)", "p50", "p99", "gateway CPU", "server CPU"
    );
    for work in ["cycle", "replay"] {
        for contender in contenders {
            let of = slices.iter().filter(|slice| slice.store == contender.name && slice.work == work);
            let mut of: Vec<&Measured> = of.map(|slice| &slice.measured).collect();
            of.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
            let (Some(low), Some(median), Some(high)) = (of.first(), of.get(of.len() / 2), of.last()) else {
                continue;
            };
            println!(
                "{:<22} {:<7} {:>9.0} {:>17} {:>9} {:>9} {:>8.0} µs {:>8.0} µs",
                contender.name,
                work,
                median.per_second(),
                format!("({:.0} … {:.0})", low.per_second(), high.per_second()),
                micros(median.quantile(0.5)),
                micros(median.quantile(0.99)),
                median.micros_each(median.own_cpu),
                median.micros_each(median.server_cpu),
            );
        }
    }
}

/// Prints the effect of sweeping.
pub fn print_sweeps(sweeps: &[SweepResult]) {
    println!("\n{:<22} {:>15} {:>20} {:>20}", "store", "expiries/s", "cycle p99, quiet", "p99, sweeping");
    for SweepResult { store, per_second, quiet, sweeping } in sweeps {
        println!("{store:<22} {per_second:>15.0} {:>20} {:>20}", micros(*quiet), micros(*sweeping));
    }
}

/// Prints the effect of many keys on each store.
pub fn print_keys(results: &[KeysResult]) {
    println!(
        "{:<10} {:>10} {:>9} {:>10} {:>10} {:>10} {:>8} {:>11} {:>11} {:>12} {:>12}",
        "store",
        "keys",
        "filled/s",
        "bytes each",
        "claim p50",
        "p99",
        "× few",
        "idle sweep",
        "sweep, each",
        "gateway CPU",
        "server CPU"
    );
    for one in results {
        let few = results.iter().find(|few| few.store == one.store).map_or(one.p99, |few| few.p99);
        println!(
            "{:<10} {:>10} {:>9.0} {:>10.0} {:>10} {:>10} {:>8.2} {:>11} {:>11} {:>12} {:>12}",
            one.store,
            one.keys,
            one.filled_per_second,
            one.bytes_each,
            micros(one.p50),
            micros(one.p99),
            one.p99.as_secs_f64() / few.as_secs_f64(),
            micros(one.idle_sweep),
            micros(one.sweep_each),
            micros(one.sweep_cpu.0),
            micros(one.sweep_cpu.1),
        );
    }
}

/// Writes the same figures as JSON.
pub fn write_keys(results: &[KeysResult]) {
    let results = results.iter().map(|one| {
        json!({
            "store": one.store, "keys": one.keys, "filled_per_second": one.filled_per_second,
            "bytes_each": one.bytes_each, "claim_p50_us": one.p50.as_micros(),
            "claim_p99_us": one.p99.as_micros(), "idle_sweep_us": one.idle_sweep.as_micros(),
            "sweep_each_us": one.sweep_each.as_micros(),
            "sweep_gateway_cpu_us": one.sweep_cpu.0.as_micros(),
            "sweep_server_cpu_us": one.sweep_cpu.1.as_micros(),
        })
    });
    save(KEYS_FILE, &json!({ "keys": results.collect::<Vec<_>>() }));
}

/// Writes all figures as JSON.
pub fn write(slices: &[Slice], sweeps: &[SweepResult]) {
    let slices = slices.iter().map(|Slice { store, work, measured }| {
        json!({
            "store": store, "work": work, "per_second": measured.per_second(),
            "p50_us": measured.quantile(0.5).as_micros(), "p99_us": measured.quantile(0.99).as_micros(),
            "p999_us": measured.quantile(0.999).as_micros(),
            "gateway_cpu_us": measured.micros_each(measured.own_cpu),
            "server_cpu_us": measured.micros_each(measured.server_cpu),
        })
    });
    let sweeps = sweeps.iter().map(|SweepResult { store, per_second, quiet, sweeping }| {
        json!({
            "store": store, "expiries_per_second": per_second,
            "p99_quiet_us": quiet.as_micros(), "p99_sweeping_us": sweeping.as_micros(),
        })
    });
    let all = json!({ "slices": slices.collect::<Vec<_>>(), "sweeps": sweeps.collect::<Vec<_>>() });
    save(FILE, &all);
    println!("\nevery slice is in {FILE}");
}

fn save(file: &str, all: &Value) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(&path, format!("{all:#}\n")).expect("the file can be written");
}

fn micros(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}
