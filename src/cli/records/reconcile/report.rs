//! The report: differences one a line, then the counts; or all of it as one JSON object.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::super::cells::harmless;
use super::difference::{Difference, Kind};
use super::facts::{Applied, LedgerFacts};
use super::gaps::Gaps;
use super::judge::Tally;

/// Largest number of differences of one kind, and of refusals, that a JSON report names.
const MOST_IN_JSON: usize = 10_000;

/// Counts that people get to see even if they are zero.
const ALWAYS_SHOWN: [&str; 8] =
    ["lines", "records", "compared", "agreed", "double", "contradiction", "executed", "undecided"];

/// A report that is written while differences come in.
pub(super) struct Report<W> {
    out: W,
    json: bool,
    counts: BTreeMap<Kind, u64>,
    /// The differences that a JSON report names.
    differences: Vec<Difference>,
    /// The refusals that a JSON report names.
    refusals: Vec<Value>,
}

impl<W: Write> Report<W> {
    pub(super) fn new(out: W, json: bool) -> Self {
        let counts = Kind::ALL.into_iter().map(|kind| (kind, 0)).collect();
        Self { out, json, counts, differences: Vec::new(), refusals: Vec::new() }
    }

    /// Returns the number of differences of a kind.
    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Takes a difference.
    pub(super) fn find(&mut self, difference: Difference) -> io::Result<()> {
        let count = self.counts.entry(difference.kind).or_default();
        *count += 1;
        match self.json {
            true if *count <= MOST_IN_JSON as u64 => self.differences.push(difference),
            true => {}
            false => writeln!(self.out, "{}", text(&difference))?,
        }
        Ok(())
    }

    /// Takes a decision that the gateway refused.
    pub(super) fn refuse(&mut self, id: &str, why: &str) -> io::Result<()> {
        match self.json {
            true if self.refusals.len() < MOST_IN_JSON => {
                self.refusals.push(json!({ "record": id, "detail": why }));
                Ok(())
            }
            true => Ok(()),
            false => writeln!(self.out, "refused {id} {why}"),
        }
    }

    /// Ends the report. `notes` are sentences for people; `applied` is absent if nothing was to be applied.
    pub(super) fn finish(
        mut self,
        ledger: &LedgerFacts,
        tally: &Tally,
        applied: Option<&Applied>,
        gaps: &Gaps,
        notes: &[String],
    ) -> io::Result<()> {
        match self.json {
            true => {
                let document = self.document(ledger, tally, applied, gaps, notes);
                writeln!(self.out, "{document:#}")?;
            }
            false => self.summary(ledger, tally, applied, notes)?,
        }
        self.out.flush()
    }

    fn document(
        &self,
        ledger: &LedgerFacts,
        tally: &Tally,
        applied: Option<&Applied>,
        gaps: &Gaps,
        notes: &[String],
    ) -> Value {
        let counts: BTreeMap<_, _> = self.counts.iter().map(|(kind, count)| (kind.name(), count)).collect();
        let left_out =
            |(kind, count): (&Kind, &u64)| (kind.name(), count.saturating_sub(MOST_IN_JSON as u64));
        let left_out: BTreeMap<_, _> =
            self.counts.iter().map(left_out).filter(|(_, count)| *count > 0).collect();
        json!({
            "ledger": ledger.path,
            "ledger_sha256": ledger.sha256,
            "lines": ledger.lines,
            "unnamed_lines": ledger.unnamed,
            "tally": tally,
            "counts": counts,
            "differences": self.differences,
            "differences_left_out": left_out,
            "applied": applied,
            "refusals": self.refusals,
            "gaps": gaps.0,
            "notes": notes,
        })
    }

    fn summary(
        &mut self,
        ledger: &LedgerFacts,
        tally: &Tally,
        applied: Option<&Applied>,
        notes: &[String],
    ) -> io::Result<()> {
        let LedgerFacts { path, sha256, lines, unnamed } = ledger;
        let mut rows = vec![
            ("lines".to_owned(), *lines, "in the ledger"),
            ("lines unnamed".into(), *unnamed, "without an execution and a key"),
            ("lines without record".into(), tally.lines_without_record, "no record has their operation"),
            (
                "lines by key unmatched".into(),
                tally.key_lines_unmatched,
                "their key and scope name no record of the route",
            ),
            ("lines of other routes".into(), tally.lines_of_other_routes, "not compared"),
            ("records".into(), tally.records, "in the store"),
            ("compared".into(), tally.compared, "records of the routes in question"),
            ("agreed".into(), tally.agreed, "executed here, and in the ledger"),
            ("running".into(), tally.running, "still running here, and in the ledger"),
        ];
        rows.extend(self.counts.iter().map(|(kind, count)| (kind.name().into(), *count, meaning(*kind))));
        rows.push(("undecided".into(), tally.undecided, "unknown here, and the ledger does not decide it"));
        rows.push((
            "expired undecided".into(),
            tally.expired_undecided,
            "not decided when their ttl ended, or not executed, and not in the ledger",
        ));
        if let Some(Applied { executed, not_executed, refused, .. }) = applied {
            rows.push(("applied executed".into(), *executed, "settled as executed"));
            rows.push(("applied not-executed".into(), *not_executed, "the next attempt runs"));
            rows.push(("refused".into(), *refused, "changed meanwhile, or decided otherwise by evidence"));
        }
        rows.retain(|(name, count, _)| *count > 0 || ALWAYS_SHOWN.contains(&name.as_str()));
        if self.counts.values().any(|count| *count > 0) {
            writeln!(self.out)?;
        }
        writeln!(self.out, "{path} sha256 {sha256}")?;
        for (name, count, meaning) in rows {
            writeln!(self.out, "{name:<22}{count:>11}  {meaning}")?;
        }
        notes.iter().try_for_each(|note| writeln!(self.out, "{note}"))
    }
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Double => "paid more than once",
        Kind::Contradiction => "in the ledger, and not executed here",
        Kind::Expired => "in the ledger, and not decided, or not executed, when its ttl ended",
        Kind::ErrorStored => "in the ledger, and clients get an error",
        Kind::Missing => "executed here, and not in the ledger",
        Kind::Executed => "unknown here, and in the ledger",
        Kind::NotExecuted => "unknown here, and not in the ledger",
    }
}

/// Formats a difference as one line. A route's name, labels and a detail are no text of the ledger.
fn text(difference: &Difference) -> String {
    let Difference { kind, record, route, execution, labels, lines, line_count, detail } = difference;
    let mut text = format!("{} {record}", kind.name());
    if let Some(route) = route {
        text.push_str(&format!(" route {route}"));
    }
    if let Some(execution) = execution {
        text.push_str(&format!(" execution {execution}"));
    }
    let numbers: Vec<_> = lines.iter().map(u64::to_string).collect();
    match numbers.as_slice() {
        [] => {}
        [one] => text.push_str(&format!(" line {one}")),
        several => text.push_str(&format!(" lines {}", several.join(","))),
    }
    if *line_count > lines.len() as u64 {
        text.push_str(&format!(" and {} more", line_count - lines.len() as u64));
    }
    if !labels.is_empty() {
        let values: Vec<_> = labels.values().map(|value| harmless(value)).collect();
        text.push_str(&format!(" labels {}", values.join(", ")));
    }
    if !detail.is_empty() {
        text.push_str(&format!(": {detail}"));
    }
    text
}
