//! The file for machines: every slice, and the summary that was printed.

use serde_json::{Value, json};

use crate::load::quantile_of;
use crate::measure::{Load, Slice};

use super::Report;
use super::summary::{Row, Spread, each, own_cpu_us, rows};

const FILE: &str = "target/bench-gateway.json";

impl Report {
    pub fn write(&self) {
        let micros = |durations: &[std::time::Duration]| -> Vec<u128> {
            durations.iter().map(std::time::Duration::as_micros).collect()
        };
        let loaded = self.loaded.iter().flat_map(|loaded| {
            loaded.rounds.iter().map(|round| {
                json!({
                    "server": loaded.name, "case": loaded.case.name(), "rate": round.rate, "errors": round.errors,
                    "p50_us": round.p50.as_micros(), "p99_us": round.p99.as_micros(),
                    "direct_p50_us": round.direct_p50.as_micros(), "direct_p99_us": round.direct_p99.as_micros(),
                })
            })
        });
        let duplicates = self.duplicates.iter().map(|result| {
            json!({
                "server": result.name, "until_all_us": micros(&result.until_all),
                "most_executions": result.most_executions, "errors": result.errors,
            })
        });
        let round_trips = self.round_trips.iter().map(
            |counted| json!({ "server": counted.name, "first": counted.first, "replay": counted.replay }),
        );
        let idle = self.idle.iter().map(|idle| {
            json!({ "store": idle.store, "ready_us": micros(&idle.ready), "resident_kib": idle.resident_kib })
        });
        let instructions = self.instructions.iter().map(|counted| {
            json!({
                "server": counted.name, "case": counted.case.name(),
                "each": counted.all, "hashing": counted.hashing, "idle": counted.idle,
            })
        });
        let goals = self.goals().into_iter().map(|(goal, figure)| {
            let reached = figure.map(|figure| goal.bound.is_kept_by(figure));
            json!({ "goal": goal.text, "figure": figure, "reached": reached })
        });
        let all = json!({
            "connections": self.connections,
            "summary": rows(&self.slices).iter().map(summary).collect::<Vec<_>>(),
            "slices": self.slices.iter().map(slice).collect::<Vec<_>>(),
            "loaded": loaded.collect::<Vec<_>>(),
            "duplicates": duplicates.collect::<Vec<_>>(),
            "round_trips": round_trips.collect::<Vec<_>>(),
            "instructions": instructions.collect::<Vec<_>>(),
            "goals": goals.collect::<Vec<_>>(),
            "idle": idle.collect::<Vec<_>>(),
        });
        let path = format!("{}/{FILE}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(&path, format!("{all:#}\n")).expect("the file can be written");
        println!("\nevery slice is in {FILE}");
    }
}

fn slice(slice: &Slice) -> Value {
    let quantile = |quantile| quantile_of(&slice.sample.latencies, quantile).as_micros();
    json!({
        "server": slice.name, "case": slice.case.name(), "load": name(slice.load), "group": slice.group,
        "connections": slice.connections, "round": slice.round,
        "done": slice.sample.done(), "errors": slice.sample.errors.len(),
        "per_second": slice.sample.per_second(), "cpu_us": own_cpu_us(slice),
        "store_cpu_us": slice.usage.store_cpu.map(|cpu| each(slice, cpu.as_secs_f64() * 1e6)),
        "store_turns": slice.usage.turns.map(|turns| each(slice, turns as f64)),
        "p50_us": quantile(0.5), "p99_us": quantile(0.99), "p999_us": quantile(0.999),
    })
}

fn summary(row: &Row) -> Value {
    let [p50, p99, p999] = row.quantiles.map(|quantile| quantile.as_micros());
    json!({
        "server": row.name, "case": row.case.name(), "load": name(row.load), "group": row.group,
        "connections": row.connections, "errors": row.errors,
        "per_second": spread(row.per_second), "cpu_us": row.own_cpu_us.map(spread),
        "store_cpu_us": row.store_cpu_us.map(spread), "store_turns": row.turns.map(spread),
        "to_floor": row.to_floor.map(spread), "to_nginx": row.to_nginx.map(spread),
        "to_lua": row.to_lua.map(spread), "store_to_floor": row.store_to_floor.map(spread),
        "to_fewest": row.to_fewest.map(spread),
        "added_p50_us": row.added_p50_us.map(spread), "p50_us": p50, "p99_us": p99, "p999_us": p999,
    })
}

fn name(load: Load) -> &'static str {
    match load {
        Load::FixedRate => "fixed-rate",
        Load::Saturated => "saturated",
    }
}

fn spread(spread: Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}
