//! The printed tables.

use std::time::Duration;

use crate::duplicates::{DELAY_MS, DUPLICATES};
use crate::load::quantile_of;
use crate::loaded::Round;
use crate::measure::{Load, RATE};

use super::Report;
use super::summary::{Row, Spread, rows};

impl Report {
    pub fn print_slices(&self) {
        let rows = rows(&self.slices);
        let (fixed, saturated): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| row.load != Load::Saturated);
        if !fixed.is_empty() {
            print_fixed(&fixed, self.connections);
        }
        if !saturated.is_empty() {
            print_saturated(&saturated);
        }
    }

    pub fn print_loaded(&self) {
        println!("\nat seven tenths of what it does saturated, each alone; medians of rounds, errors of all");
        println!(
            "{:<15} {:<20} {:>9} {:>10} {:>10} {:>10} {:>12} {:>17} {:>7}",
            "case", "server", "a second", "added p50", "p99", "direct", "added p99", "(min … max)", "errors"
        );
        for loaded in &self.loaded {
            let of =
                |value: fn(&Round) -> f64| Spread::of(loaded.rounds.iter().map(|round| Some(value(round))));
            let micros = |value| optional(of(value).as_ref(), 0);
            let added_p99 = of(Round::added_p99_us);
            println!(
                "{:<15} {:<20} {:>9} {:>7} µs {:>7} µs {:>7} µs {:>9} µs {:>17} {:>7}",
                loaded.case.name(),
                loaded.name,
                micros(|round| f64::from(round.rate)),
                micros(Round::added_p50_us),
                micros(|round| round.p99.as_secs_f64() * 1e6),
                micros(|round| round.direct_p99.as_secs_f64() * 1e6),
                optional(added_p99.as_ref(), 0),
                added_p99.as_ref().map_or_else(String::new, extremes),
                loaded.rounds.iter().map(|round| round.errors).sum::<usize>()
            );
        }
    }

    pub fn print_duplicates(&self) {
        println!(
            "\n{DUPLICATES} duplicates at once, the upstream takes {DELAY_MS} ms; time until all are answered"
        );
        println!("{:<20} {:>9} {:>9} {:>11} {:>7}", "server", "p50", "max", "executions", "errors");
        for result in &self.duplicates {
            println!(
                "{:<20} {:>9} {:>9} {:>11} {:>7}",
                result.name,
                millis(quantile_of(&result.until_all, 0.5)),
                millis(quantile_of(&result.until_all, 1.0)),
                result.most_executions,
                result.errors
            );
        }
    }

    pub fn print_round_trips(&self) {
        println!("\nround trips to the store for a lone request");
        println!("{:<20} {:>14} {:>9}", "server", "first attempt", "replay");
        for counted in &self.round_trips {
            println!("{:<20} {:>14.2} {:>9.2}", counted.name, counted.first, counted.replay);
        }
    }

    pub fn print_idle(&self) {
        println!("\nthe release binary before its first request");
        println!("{:<20} {:>16} {:>9} {:>14}", "store", "start to ready", "max", "memory (RSS)");
        for idle in &self.idle {
            println!(
                "{:<20} {:>16} {:>9} {:>11.1} MB",
                idle.store,
                millis(quantile_of(&idle.ready, 0.5)),
                millis(quantile_of(&idle.ready, 1.0)),
                idle.resident_kib[idle.resident_kib.len() / 2] as f64 * 1024.0 / 1e6
            );
        }
    }
}

fn print_fixed(rows: &[&Row], connections: usize) {
    println!(
        "\n{RATE} requests a second to each over {connections} connections in turn; those of a group in the same seconds"
    );
    println!(
        "{:<15} {:<20} {:>8} {:>15} {:>8} {:>10} {:>7} {:>8} {:>9} {:>9} {:>9} {:>6}",
        "case",
        "server",
        "CPU µs",
        "(min … max)",
        "× floor",
        "store CPU",
        "turns",
        "p50 µs",
        "added p50",
        "p99 µs",
        "p999 µs",
        "errors"
    );
    let mut group = None;
    for row in rows {
        if group.replace(row.group).is_some_and(|before| before != row.group) {
            println!();
        }
        let [p50, p99, p999] = row.quantiles.map(|quantile| quantile.as_micros());
        println!(
            "{:<15} {:<20} {:>8} {:>15} {:>8} {:>10} {:>7} {p50:>8} {:>9} {p99:>9} {p999:>9} {:>6}",
            row.case.name(),
            row.name,
            optional(row.own_cpu_us.as_ref(), 0),
            row.own_cpu_us.as_ref().map_or_else(String::new, extremes),
            optional(row.to_floor.as_ref(), 2),
            optional(row.store_cpu_us.as_ref(), 0),
            optional(row.turns.as_ref(), 2),
            optional(row.added_p50_us.as_ref(), 0),
            row.errors
        );
    }
}

fn print_saturated(rows: &[&Row]) {
    println!("\nsaturated, 64 connections, one server after the other");
    println!(
        "{:<15} {:<20} {:>9} {:>17} {:>8} {:>8} {:>8} {:>10} {:>7} {:>8} {:>8} {:>8} {:>6}",
        "case",
        "server",
        "a second",
        "(min … max)",
        "× floor",
        "× nginx",
        "CPU µs",
        "store CPU",
        "turns",
        "p50 µs",
        "p99 µs",
        "p999 µs",
        "errors"
    );
    let mut group = None;
    for row in rows {
        if group.replace(row.group).is_some_and(|before| before != row.group) {
            println!();
        }
        let [p50, p99, p999] = row.quantiles.map(|quantile| quantile.as_micros());
        println!(
            "{:<15} {:<20} {:>9.0} {:>17} {:>8} {:>8} {:>8} {:>10} {:>7} {p50:>8} {p99:>8} {p999:>8} {:>6}",
            row.case.name(),
            row.name,
            row.per_second.median,
            extremes(&row.per_second),
            optional(row.to_floor.as_ref(), 2),
            optional(row.to_nginx.as_ref(), 2),
            optional(row.own_cpu_us.as_ref(), 0),
            optional(row.store_cpu_us.as_ref(), 0),
            optional(row.turns.as_ref(), 2),
            row.errors
        );
    }
}

fn extremes(spread: &Spread) -> String {
    format!("({:.0} … {:.0})", spread.min, spread.max)
}

fn optional(spread: Option<&Spread>, decimals: usize) -> String {
    spread.map_or_else(|| "-".into(), |spread| format!("{:.decimals$}", spread.median))
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
