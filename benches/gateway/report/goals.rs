//! The goals, beside the figures of this run.

use crate::cases::Case;
use crate::contenders::{Kind, Role};
use crate::instructions::Instructions;
use crate::load::quantile_of;
use crate::measure::Load;

use super::Report;
use super::markdown::Table;
use super::summary::{Row, Spread, rows};

/// A goal, and its figure of a run.
pub struct Goal {
    pub text: &'static str,
    pub bound: Bound,
    unit: &'static str,
    figure: fn(&Run) -> Option<f64>,
}

/// The bound that a goal sets.
#[derive(Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub fn is_kept_by(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }
}

const GOALS: [Goal; 25] = [
    at_most(1.35, "×", "first attempt on Redis: CPU to its floor", |run| {
        middle(run.fixed(Case::First, Kind::Redis)?.to_floor)
    }),
    at_most(1.0, "×", "first attempt on Redis: CPU to nginx with Lua", |run| {
        middle(run.fixed(Case::First, Kind::Redis)?.to_lua)
    }),
    at_most(1.2, "×", "no key: CPU to nginx", |run| middle(run.fixed(Case::NoKey, Kind::Memory)?.to_floor)),
    at_most(0.7, "×", "replay from the process, Redis: CPU to the Redis floor", |run| {
        middle(run.fixed(Case::Cached, Kind::Redis)?.to_floor)
    }),
    at_most(1.5, "×", "first attempt in memory: CPU to its floor", |run| {
        middle(run.fixed(Case::First, Kind::Memory)?.to_floor)
    }),
    at_most(2.2, "×", "first attempt embedded: CPU to the memory floor", |run| {
        middle(run.fixed(Case::First, Kind::Embedded)?.to_floor)
    }),
    at_most(1.5, "×", "first attempt on Postgres: CPU to its floor", |run| {
        middle(run.fixed(Case::First, Kind::Postgres)?.to_floor)
    }),
    at_most(1.15, "×", "no key: CPU over 128 connections to CPU over 1", |run| {
        run.flatness(Case::NoKey, Kind::Memory)
    }),
    at_most(1.15, "×", "first attempt on Redis: CPU over 128 connections to CPU over 1", |run| {
        run.flatness(Case::First, Kind::Redis)
    }),
    at_most(1.15, "×", "replay from the process, Redis: CPU over 128 connections to CPU over 1", |run| {
        run.flatness(Case::Cached, Kind::Redis)
    }),
    at_least(0.9, "×", "saturated, no key: requests/s to nginx", |run| {
        middle(run.saturated(Case::NoKey, Kind::Memory)?.to_nginx)
    }),
    at_least(2.5, "×", "saturated, first attempt on Redis: requests/s to nginx with Lua", |run| {
        middle(run.saturated(Case::First, Kind::Redis)?.to_lua)
    }),
    at_least(4.0, "×", "saturated, replay from the process, Redis: requests/s to nginx with Lua", |run| {
        middle(run.saturated(Case::Cached, Kind::Redis)?.to_lua)
    }),
    at_least(0.35, "×", "saturated, first attempt embedded: requests/s to nginx without a key", |run| {
        middle(run.saturated(Case::First, Kind::Embedded)?.to_nginx)
    }),
    at_most(8.0, " ms", "saturated, first attempt embedded: p99", |run| {
        Some(run.saturated(Case::First, Kind::Embedded)?.quantiles[1].as_secs_f64() * 1e3)
    }),
    at_least(2.5, "×", "saturated, first attempt on Postgres: requests/s to its floor", |run| {
        middle(run.saturated(Case::First, Kind::Postgres)?.to_floor)
    }),
    at_most(3.0, "×", "saturated, first attempt: CPU of Redis itself to that of the floor's Redis", |run| {
        middle(run.saturated(Case::First, Kind::Redis)?.store_to_floor)
    }),
    at_most(3.0, "×", "fixed rate, first attempt: CPU of Redis itself to that of the floor's Redis", |run| {
        middle(run.fixed(Case::First, Kind::Redis)?.store_to_floor)
    }),
    at_most(320.0, " µs", "first attempt on Redis: added p50", |run| {
        middle(run.fixed(Case::First, Kind::Redis)?.added_p50_us)
    }),
    at_most(150.0, " µs", "replay on Redis: added p50", |run| {
        middle(run.fixed(Case::Replay, Kind::Redis)?.added_p50_us)
    }),
    at_most(95.0, "k", "first attempt on Redis: instructions without SHA-256", |run| {
        run.thousands_of_instructions(Case::First, Kind::Redis)
    }),
    at_most(45.0, "k", "no key: instructions without SHA-256", |run| {
        run.thousands_of_instructions(Case::NoKey, Kind::Memory)
    }),
    at_most(
        60.0,
        " ms",
        "64 duplicates, the upstream takes 50 ms: all answered, slowest round and store",
        |run| {
            let own = run.report.duplicates.iter().filter(|result| result.name.starts_with("oncegate"));
            most(own.map(|result| quantile_of(&result.until_all, 1.0).as_secs_f64() * 1e3))
        },
    ),
    at_most(12.0, " MB", "idle memory, largest store", |run| {
        most(run.report.idle.iter().map(super::others::resident_mb))
    }),
    at_most(100.0, " ms", "ready after, slowest store", |run| {
        most(run.report.idle.iter().map(|idle| quantile_of(&idle.ready, 0.5).as_secs_f64() * 1e3))
    }),
];

const fn at_most(
    bound: f64,
    unit: &'static str,
    text: &'static str,
    figure: fn(&Run) -> Option<f64>,
) -> Goal {
    Goal { text, bound: Bound::AtMost(bound), unit, figure }
}

const fn at_least(
    bound: f64,
    unit: &'static str,
    text: &'static str,
    figure: fn(&Run) -> Option<f64>,
) -> Goal {
    Goal { text, bound: Bound::AtLeast(bound), unit, figure }
}

/// The figures of a run, for goals to select from.
pub struct Run<'a> {
    report: &'a Report,
    rows: Vec<Row>,
}

impl Run<'_> {
    fn row(&self, load: Load, connections: usize, case: Case, kind: Kind) -> Option<&Row> {
        self.rows.iter().find(|row| {
            (row.load, row.connections, row.case, row.role) == (load, connections, case, Role::Oncegate(kind))
        })
    }

    fn fixed(&self, case: Case, kind: Kind) -> Option<&Row> {
        self.row(Load::FixedRate, self.report.connections, case, kind)
    }

    fn saturated(&self, case: Case, kind: Kind) -> Option<&Row> {
        self.row(Load::Saturated, crate::load::SATURATING, case, kind)
    }

    fn flatness(&self, case: Case, kind: Kind) -> Option<f64> {
        let most =
            self.rows.iter().filter(|row| row.load == Load::FixedRate).map(|row| row.connections).max()?;
        middle(self.row(Load::FixedRate, most, case, kind)?.to_fewest)
    }

    fn thousands_of_instructions(&self, case: Case, kind: Kind) -> Option<f64> {
        let mut all = self.report.instructions.iter();
        let counted = all.find(|counted| (counted.case, counted.role) == (case, Role::Oncegate(kind)));
        counted.map(|counted| Instructions::without_hashing(counted) / 1e3)
    }
}

fn middle(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

fn most(figures: impl Iterator<Item = f64>) -> Option<f64> {
    figures.max_by(f64::total_cmp)
}

impl Report {
    /// Returns each goal with its figure, if this run measured it.
    pub fn goals(&self) -> Vec<(&'static Goal, Option<f64>)> {
        let run = Run { report: self, rows: rows(&self.slices) };
        GOALS.iter().map(|goal| (goal, (goal.figure)(&run))).collect()
    }

    pub fn print_goals(&self) {
        let mut table = Table::of(1, &["goal", "bound", "this run", "reached"]);
        for (goal, figure) in self.goals() {
            let unit = goal.unit;
            let bound = match goal.bound {
                Bound::AtMost(bound) => format!("≤ {bound}{unit}"),
                Bound::AtLeast(bound) => format!("≥ {bound}{unit}"),
            };
            let (figure, reached) = match figure {
                Some(figure) => {
                    let decimals = if unit == "×" { 2 } else { 1 };
                    let reached = if goal.bound.is_kept_by(figure) { "yes" } else { "no" };
                    (format!("{figure:.decimals$}{unit}"), reached)
                }
                None => ("not measured".to_owned(), ""),
            };
            table.add([goal.text.to_owned(), bound, figure, reached.to_owned()]);
        }
        table.print("the goals");
    }
}
