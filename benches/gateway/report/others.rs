//! The tables of the measurements that are not slices.

use std::time::Duration;

use crate::contenders::Role;
use crate::duplicates::{DELAY_MS, DUPLICATES};
use crate::idle::Idle;
use crate::instructions::{self, Instructions};
use crate::load::quantile_of;
use crate::loaded::Round;
use crate::plan;

use super::Report;
use super::markdown::Table;
use super::summary::Spread;
use super::tables::{extremes, optional};

impl Report {
    pub fn print_loaded(&self) {
        let mut table = Table::of(
            2,
            &[
                "case",
                "server",
                "requests/s",
                "added p50 µs",
                "p99 µs",
                "direct p99 µs",
                "added p99 µs (min … max)",
                "errors",
            ],
        );
        for loaded in &self.loaded {
            let of =
                |value: fn(&Round) -> f64| Spread::of(loaded.rounds.iter().map(|round| Some(value(round))));
            let median = |value| optional(of(value).as_ref(), 0);
            table.add([
                loaded.case.name().to_owned(),
                loaded.name.clone(),
                median(|round| f64::from(round.rate)),
                median(Round::added_p50_us),
                median(|round| round.p99.as_secs_f64() * 1e6),
                median(|round| round.direct_p99.as_secs_f64() * 1e6),
                of(Round::added_p99_us).as_ref().map_or_else(String::new, extremes),
                loaded.rounds.iter().map(|round| round.errors).sum::<usize>().to_string(),
            ]);
        }
        table
            .print("at seven tenths of what it does saturated, each alone; medians of rounds, errors of all");
    }

    pub fn print_duplicates(&self) {
        let mut table = Table::of(1, &["server", "p50", "max", "executions", "errors"]);
        for result in &self.duplicates {
            table.add([
                result.name.clone(),
                millis(quantile_of(&result.until_all, 0.5)),
                millis(quantile_of(&result.until_all, 1.0)),
                result.most_executions.to_string(),
                result.errors.to_string(),
            ]);
        }
        table.print(&format!(
            "{DUPLICATES} duplicates at once, the upstream takes {DELAY_MS} ms; time until all are answered"
        ));
    }

    pub fn print_round_trips(&self) {
        let mut table = Table::of(1, &["server", "first attempt", "replay"]);
        for counted in &self.round_trips {
            let numbers = [counted.first, counted.replay].map(|number| format!("{number:.2}"));
            table.add([counted.name.clone()].into_iter().chain(numbers));
        }
        table.print("round trips to the store for a lone request");
    }

    pub fn print_idle(&self) {
        let mut table = Table::of(1, &["store", "start to ready", "max", "memory (RSS)"]);
        for idle in &self.idle {
            table.add([
                idle.store.to_owned(),
                millis(quantile_of(&idle.ready, 0.5)),
                millis(quantile_of(&idle.ready, 1.0)),
                format!("{:.1} MB", resident_mb(idle)),
            ]);
        }
        table.print("the release binary before its first request");
    }

    pub fn print_instructions(&self) {
        let heads = [
            "case",
            "server",
            "instructions",
            "of SHA-256",
            "without",
            "× floor",
            "× floor without",
            "idle, a second",
        ];
        let mut table = Table::of(2, &heads);
        for counted in &self.instructions {
            let to_floor = |figure: fn(&Instructions) -> f64| {
                let floor = self.floor_of(counted).map(figure);
                floor.map_or_else(String::new, |floor| format!("{:.2}", figure(counted) / floor))
            };
            table.add([
                counted.case.name().to_owned(),
                counted.name.clone(),
                format!("{:.0}", counted.all),
                format!("{:.0}", counted.hashing),
                format!("{:.0}", counted.without_hashing()),
                to_floor(|counted| counted.all),
                to_floor(Instructions::without_hashing),
                format!("{:.0}", counted.idle),
            ]);
        }
        let connections = instructions::CONNECTIONS;
        table.print(&format!(
            "instructions of the server's own code a request, {connections} connections in turn"
        ));
    }

    /// Returns the first of the servers with which a server is compared.
    fn floor_of(&self, counted: &Instructions) -> Option<&Instructions> {
        let mut floors = plan::floors(counted.role, counted.case).into_iter();
        let of = |role: Role| {
            self.instructions.iter().find(|floor| (floor.role, floor.case) == (role, counted.case))
        };
        floors.find_map(of).filter(|floor| floor.role != counted.role)
    }
}

/// Returns the median memory of an idle gateway, in MB.
pub fn resident_mb(idle: &Idle) -> f64 {
    idle.resident_kib[idle.resident_kib.len() / 2] as f64 * 1024.0 / 1e6
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
