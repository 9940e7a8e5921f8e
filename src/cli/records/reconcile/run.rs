//! The steps of a reconciliation.

use std::io::Write;
use std::sync::Arc;

use super::super::arguments::Reconcile;
use super::super::client::Client;
use super::apply::{Applied, apply};
use super::decisions::{Decisions, Origin};
use super::failure::Failure;
use super::finding::Kind;
use super::join::{Join, Operation};
use super::judge::{Judge, Tally, Window};
use super::keys::Keys;
use super::known::Pages;
use super::ledger::Ledger;
use super::line::{self, Line};
use super::progress::Progress;
use super::report::{LedgerFacts, Report};
use super::sorter::{Entry, Sorted, Sorter};
use crate::clock::Timestamp;

/// Largest number of lines. Each run of the sorter needs a little memory.
const MOST_LINES: u64 = 100_000_000;

/// Number of lines after which the progress bar moves.
const LINES_AT_ONCE: u64 = 4096;

/// Reconciles, and writes the report to `out`. Returns false if a double or a contradiction was found, or if
/// "not executed" was to be applied and was held back.
///
/// # Errors
/// [`Failure`] if the command line or the ledger is wrong, or if a step failed.
pub(super) async fn reconcile<W: Write>(
    client: &Arc<Client>,
    args: &Reconcile,
    json: bool,
    out: W,
) -> Result<bool, Failure> {
    let mut ledger = Ledger::open(&args.ledger)?;
    let window = window(args, &ledger)?;
    let progress = Progress::new();
    let (sorted, facts) = sorted(client, args, &mut ledger, &progress).await?;
    let judge = Judge { routes: args.routes.clone(), window, tally: Tally::default() };
    let mut walk = Walk {
        origin: Origin {
            name: args.ledger.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: facts.sha256.clone(),
            note: args.note.clone(),
        },
        ledger,
        judge,
        report: Report::new(out, json),
        executed: Decisions::new(&args.temp_dir)?,
        not_executed: Decisions::new(&args.temp_dir)?,
        progress,
    };
    walk.compare(client, sorted).await?;
    walk.ledger.check_unchanged()?;
    walk.end(client, args, &facts).await
}

/// Returns the time in which the absence of a line means something.
fn window(args: &Reconcile, ledger: &Ledger) -> Result<Option<Window>, Failure> {
    let Some((from, to)) = args.from.zip(args.to) else { return Ok(None) };
    let written = Timestamp::of_system(ledger.written());
    if from >= to {
        return Err(Failure::Usage("--from is not before --to".into()));
    }
    if to > written {
        return Err(Failure::Ledger(format!(
            "it was written at {written}, so it cannot be complete up to {to}"
        )));
    }
    Ok(Some(Window { from, to, settle_lag: args.settle_lag }))
}

/// Reads the whole ledger, and sorts its lines by record id.
async fn sorted(
    client: &Client,
    args: &Reconcile,
    ledger: &mut Ledger,
    progress: &Progress,
) -> Result<(Sorted, LedgerFacts), Failure> {
    progress.step("reading the ledger", ledger.length());
    let route = match args.routes.as_slice() {
        [route] => Some(route),
        _ => None,
    };
    let mut keys = Keys::new(client, route.map_or("", String::as_str));
    let mut sorter = Sorter::new(&args.temp_dir);
    let (mut lines, mut unnamed) = (0, 0);
    while let Some(mut line) = ledger.next()? {
        lines += 1;
        if lines > MOST_LINES {
            return Err(Failure::Ledger(format!("there are more than {MOST_LINES} lines")));
        }
        if lines % LINES_AT_ONCE == 0 {
            progress.at(ledger.offset());
        }
        match std::mem::replace(&mut line.operation, line::Operation::Unnamed) {
            line::Operation::Execution(id, n) => sorter.push(Entry::of(&line, id, n))?,
            line::Operation::Unnamed => unnamed += 1,
            line::Operation::Key(_) if route.is_none() => return Err(needs_route(&line)),
            line::Operation::Key(lookup) => {
                if keys.push(line, lookup) {
                    push_all(&mut sorter, keys.take().await?)?;
                }
            }
        }
    }
    push_all(&mut sorter, keys.take().await?)?;
    let facts =
        LedgerFacts { path: args.ledger.display().to_string(), sha256: ledger.digest(), lines, unnamed };
    Ok((sorter.finish()?, facts))
}

fn needs_route(line: &Line) -> Failure {
    Failure::line(line.number, "it names its operation by a key, which needs one --route")
}

fn push_all(sorter: &mut Sorter, entries: Vec<Entry>) -> Result<(), Failure> {
    entries.into_iter().try_for_each(|entry| sorter.push(entry)).map_err(Failure::from)
}

/// The walk through the ledger and the records.
struct Walk<W> {
    origin: Origin,
    ledger: Ledger,
    judge: Judge,
    report: Report<W>,
    executed: Decisions,
    not_executed: Decisions,
    progress: Progress,
}

impl<W: Write> Walk<W> {
    /// Compares all records with all lines.
    async fn compare(&mut self, client: &Client, sorted: Sorted) -> Result<(), Failure> {
        self.progress.records();
        let (mut join, mut pages) = (Join::new(sorted), Pages::new(client));
        while let Some(records) = pages.next().await? {
            for record in &records {
                join.advance(record, &mut |operation: &Operation<'_>| self.take(operation))?;
            }
            if let Some(last) = records.last() {
                self.progress.at_record(last.id);
            }
        }
        join.finish(&mut |operation: &Operation<'_>| self.take(operation))
    }

    /// Judges one operation, reports it, and keeps the decision about it.
    fn take(&mut self, operation: &Operation<'_>) -> Result<(), Failure> {
        let judgement = self.judge.judge(operation);
        for finding in judgement.findings {
            self.progress.aside(|| self.report.find(finding))?;
        }
        let Some(decision) = judgement.decision else { return Ok(()) };
        let response = match &decision.proof {
            Some(proof) if proof.line.has_response && proof.is_only => {
                self.ledger.response_at(proof.line.line, proof.line.offset)?
            }
            _ => None,
        };
        let decisions = if decision.proof.is_some() { &mut self.executed } else { &mut self.not_executed };
        Ok(decisions.push(&self.origin.resolution(&decision, response))?)
    }

    /// Applies the decisions if that was asked for, and ends the report.
    async fn end(
        mut self,
        client: &Arc<Client>,
        args: &Reconcile,
        facts: &LedgerFacts,
    ) -> Result<bool, Failure> {
        let has_gaps = facts.unnamed > 0
            || self.report.count(Kind::Missing) > 0
            || matched(facts, &self.judge.tally) == 0;
        let next_steps = next_steps(args, &self.judge, self.executed.count, self.not_executed.count);
        let is_held_back = has_gaps && !args.despite_gaps && self.not_executed.count > 0;
        let mut applied = args.apply.then(Applied::default);
        let mut ended = Ok(());
        if let Some(applied) = &mut applied {
            self.progress.step("settling", self.executed.count + self.not_executed.count);
            let (report, progress) = (&mut self.report, &self.progress);
            let mut number = 0;
            let mut answered = |refusal: Option<(&str, &str)>| match refusal {
                Some((id, why)) => progress.aside(|| report.refuse(id, why)),
                None => {
                    number += 1;
                    progress.at(number);
                    Ok(())
                }
            };
            ended = apply(client, self.executed.read()?, applied, &mut answered).await;
            if ended.is_ok() && !is_held_back {
                ended = apply(client, self.not_executed.read()?, applied, &mut answered).await;
            }
        }
        let mut notes = notes(facts, &self.judge, is_held_back);
        notes.extend(next_steps);
        if let Err(Failure::Failed(why) | Failure::Usage(why) | Failure::Ledger(why)) = &ended {
            notes.push(format!("Not all decisions were applied: {why}. Run the command again to go on."));
        }
        drop(self.progress);
        let is_double = self.report.count(Kind::Double) > 0 || self.report.count(Kind::Contradiction) > 0;
        self.report.finish(facts, &self.judge.tally, applied.as_ref(), &notes)?;
        Ok(ended.is_ok() && !is_double && !(args.apply && is_held_back))
    }
}

/// Returns the number of lines with a record of the routes in question.
fn matched(facts: &LedgerFacts, tally: &Tally) -> u64 {
    facts.lines - facts.unnamed - tally.lines_without_record - tally.lines_of_other_routes
}

/// Returns sentences about the options that decide more outcomes than this run.
fn next_steps(args: &Reconcile, judge: &Judge, executed: u64, not_executed: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if !args.apply && executed + not_executed > 0 {
        notes.push(format!(
            "Nothing was changed. --apply decides {executed} as executed and {not_executed} as not executed."
        ));
    }
    if judge.window.is_none() && judge.tally.undecided > 0 {
        notes.push(
            "With --route, --from and --to, the absence of a line can decide the undecided ones.".into(),
        );
    }
    notes
}

/// Returns what a person should know beside the counts.
fn notes(facts: &LedgerFacts, judge: &Judge, is_held_back: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if is_held_back {
        notes.push(
            "The ledger has gaps (missing, lines unnamed, or no line with a record), so the absence of a line \
             proves nothing: not-executed is not applied. Look into them, then repeat with --despite-gaps."
                .into(),
        );
    }
    if !judge.routes.is_empty() && judge.tally.lines_without_record > 0 {
        notes.push("A line without a record may belong to any route: only a record names its route.".into());
    }
    let named = facts.lines - facts.unnamed;
    if named > 0 && judge.tally.lines_without_record == named {
        notes.push(
            "No line has a record. Is it the right gateway? For lines with keys: is the route's scope complete?"
                .into(),
        );
    }
    notes
}
