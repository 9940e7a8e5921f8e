//! Tables for people and a file for machines.

use std::time::Duration;

use serde_json::json;

use crate::contenders::Contender;
use crate::load::Measured;
use crate::sweeping::Swept;

const FILE: &str = "target/bench-stores.json";

/// One slice of one store.
pub struct Slice {
    pub store: &'static str,
    pub work: &'static str,
    pub measured: Measured,
}

/// The median slice of each store and kind of work.
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

/// What sweeping does.
pub fn print_sweeps(swept: &[Swept]) {
    println!("\n{:<22} {:>15} {:>20} {:>20}", "store", "expiries/s", "cycle p99, quiet", "p99, sweeping");
    for Swept { store, per_second, quiet, sweeping } in swept {
        println!("{store:<22} {per_second:>15.0} {:>20} {:>20}", micros(*quiet), micros(*sweeping));
    }
}

/// Everything, as JSON.
pub fn write(slices: &[Slice], swept: &[Swept]) {
    let slices = slices.iter().map(|Slice { store, work, measured }| {
        json!({
            "store": store, "work": work, "per_second": measured.per_second(),
            "p50_us": measured.quantile(0.5).as_micros(), "p99_us": measured.quantile(0.99).as_micros(),
            "p999_us": measured.quantile(0.999).as_micros(),
            "gateway_cpu_us": measured.micros_each(measured.own_cpu),
            "server_cpu_us": measured.micros_each(measured.server_cpu),
        })
    });
    let swept = swept.iter().map(|Swept { store, per_second, quiet, sweeping }| {
        json!({
            "store": store, "expiries_per_second": per_second,
            "p99_quiet_us": quiet.as_micros(), "p99_sweeping_us": sweeping.as_micros(),
        })
    });
    let all = json!({ "slices": slices.collect::<Vec<_>>(), "sweeps": swept.collect::<Vec<_>>() });
    let path = format!("{}/{FILE}", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(&path, format!("{all:#}\n")).expect("the file can be written");
    println!("\nevery slice is in {FILE}");
}

fn micros(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}
