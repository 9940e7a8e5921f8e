//! The tables of the slices.

use std::time::Duration;

use crate::measure::{Load, RATE};

use super::Report;
use super::markdown::Table;
use super::summary::{Row, Spread, rows};

impl Report {
    pub fn print_slices(&self) {
        let rows = rows(&self.slices);
        let (fixed, saturated): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| row.load == Load::FixedRate);
        if !fixed.is_empty() {
            self.print_fixed(&fixed);
            print_by_connections(&fixed);
        }
        if !saturated.is_empty() {
            print_saturated(&saturated);
        }
    }

    fn print_fixed(&self, rows: &[&Row]) {
        let mut table = Table::of(
            2,
            &[
                "case",
                "server",
                "CPU µs (min … max)",
                "× floor",
                "× nginx-Lua",
                "store CPU µs",
                "× floor's store",
                "turns",
                "p50 µs",
                "added p50",
                "p99 µs",
                "errors",
            ],
        );
        for row in rows.iter().filter(|row| row.connections == self.connections) {
            let [p50, p99, _] = row.quantiles.map(micros);
            table.add([
                row.case.name().to_owned(),
                row.name.clone(),
                row.own_cpu_us.as_ref().map_or_else(String::new, extremes),
                optional(row.to_floor.as_ref(), 2),
                optional(row.to_lua.as_ref(), 2),
                optional(row.store_cpu_us.as_ref(), 0),
                optional(row.store_to_floor.as_ref(), 2),
                optional(row.turns.as_ref(), 2),
                p50,
                optional(row.added_p50_us.as_ref(), 0),
                p99,
                row.errors.to_string(),
            ]);
        }
        let connections = self.connections;
        table.print(&format!(
            "{RATE} requests a second to each over {connections} connections in turn, a group in the same seconds"
        ));
    }
}

/// Prints the CPU of each server by its number of connections.
fn print_by_connections(rows: &[&Row]) {
    let mut numbers: Vec<usize> = rows.iter().map(|row| row.connections).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut heads = vec!["case".to_owned(), "server".to_owned()];
    heads.extend(numbers.iter().map(|number| format!("CPU µs over {number}")));
    heads.extend(numbers.iter().map(|number| format!("× floor over {number}")));
    heads.push("most to fewest".to_owned());
    let mut table = Table::of(2, &heads.iter().map(String::as_str).collect::<Vec<_>>());
    for first in rows.iter().filter(|row| row.connections == numbers[0] && row.own_cpu_us.is_some()) {
        let over = |number: usize| {
            let same =
                |row: &&&Row| (row.role, row.group, row.connections) == (first.role, first.group, number);
            rows.iter().find(same)
        };
        let cells = |figure: fn(&Row) -> Option<&Spread>, decimals: usize| {
            let found = numbers.iter().map(move |number| over(*number).and_then(|row| figure(row)));
            found.map(move |spread| optional(spread, decimals)).collect::<Vec<_>>()
        };
        let most = numbers.last().and_then(|number| over(*number)?.to_fewest.as_ref());
        let mut line = vec![first.case.name().to_owned(), first.name.clone()];
        line.extend(cells(|row| row.own_cpu_us.as_ref(), 0));
        line.extend(cells(|row| row.to_floor.as_ref(), 2));
        line.push(optional(most, 2));
        table.add(line);
    }
    table.print("the same, by the number of connections to each server");
}

fn print_saturated(rows: &[&Row]) {
    let mut table = Table::of(
        2,
        &[
            "case",
            "server",
            "requests/s (min … max)",
            "× floor",
            "× nginx",
            "× nginx-Lua",
            "CPU µs",
            "store CPU µs",
            "× floor's store",
            "turns",
            "p50 µs",
            "p99 µs",
            "errors",
        ],
    );
    for row in rows {
        let [p50, p99, _] = row.quantiles.map(micros);
        table.add([
            row.case.name().to_owned(),
            row.name.clone(),
            extremes(&row.per_second),
            optional(row.to_floor.as_ref(), 2),
            optional(row.to_nginx.as_ref(), 2),
            optional(row.to_lua.as_ref(), 2),
            optional(row.own_cpu_us.as_ref(), 0),
            optional(row.store_cpu_us.as_ref(), 0),
            optional(row.store_to_floor.as_ref(), 2),
            optional(row.turns.as_ref(), 2),
            p50,
            p99,
            row.errors.to_string(),
        ]);
    }
    table.print("saturated, 64 connections, one server after the other");
}

/// Formats a median and the extremes.
pub fn extremes(spread: &Spread) -> String {
    format!("{:.0} ({:.0} … {:.0})", spread.median, spread.min, spread.max)
}

/// Formats a median, if there is one.
pub fn optional(spread: Option<&Spread>, decimals: usize) -> String {
    spread.map_or_else(String::new, |spread| format!("{:.decimals$}", spread.median))
}

fn micros(duration: Duration) -> String {
    duration.as_micros().to_string()
}
