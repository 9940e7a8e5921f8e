//! The steps of a reconciliation.

use std::io::Write;
use std::sync::Arc;

use super::super::arguments::Reconcile;
use super::super::client::Client;
use super::closing::Closing;
use super::decisions::{Decisions, Origin};
use super::facts::LedgerFacts;
use super::failure::Failure;
use super::join::{Join, Operation};
use super::judge::{Judge, Window};
use super::keys::Keys;
use super::known::Pages;
use super::ledger::Ledger;
use super::line::{self, Line};
use super::progress::Progress;
use super::report::Report;
use super::sorter::{LineRef, Sorted, Sorter};
use crate::clock::Timestamp;

/// Largest number of lines. Each run of the sorter needs a little memory.
const MOST_LINES: u64 = 100_000_000;

/// Number of lines after which the progress bar moves.
const LINES_AT_ONCE: u64 = 4096;

/// Reconciles, and writes the report to `out`. Returns false if a person has to look at
/// something: a double, a contradiction, a decision that was refused or held back, no record to compare.
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
    let closing = Closing {
        judge: Judge::new(&args.routes, window),
        report: Report::new(out, json),
        executed: Decisions::new(&args.temp_dir)?,
        not_executed: Decisions::new(&args.temp_dir)?,
        progress,
    };
    let mut walk = Walk {
        origin: Origin {
            name: args.ledger.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: facts.sha256.clone(),
            note: args.note.clone(),
        },
        ledger,
        closing,
    };
    walk.compare(client, sorted).await?;
    walk.ledger.check_unchanged()?;
    walk.closing.end(client, args, &facts).await
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
            line::Operation::Execution(id, n) => sorter.push(LineRef::of(line.place(), id, n))?,
            line::Operation::Unnamed => unnamed += 1,
            line::Operation::Key(_) if route.is_none() => return Err(needs_route(&line)),
            line::Operation::Key(lookup) => {
                push_all(&mut sorter, keys.push(line.place(), lookup).await?)?;
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

fn push_all(sorter: &mut Sorter, lines: Vec<LineRef>) -> Result<(), Failure> {
    lines.into_iter().try_for_each(|line| sorter.push(line)).map_err(Failure::from)
}

/// The walk through the ledger and the records.
struct Walk<W> {
    origin: Origin,
    ledger: Ledger,
    closing: Closing<W>,
}

impl<W: Write> Walk<W> {
    /// Compares all records with all lines.
    async fn compare(&mut self, client: &Client, sorted: Sorted) -> Result<(), Failure> {
        self.closing.progress.records();
        let (mut join, mut pages) = (Join::new(sorted), Pages::new(client));
        while let Some(records) = pages.next().await? {
            for record in &records {
                join.advance(record, &mut |operation: &Operation<'_>| self.take(operation))?;
            }
            if let Some(last) = records.last() {
                self.closing.progress.at_record(last.id);
            }
        }
        join.finish(&mut |operation: &Operation<'_>| self.take(operation))
    }

    /// Judges one operation, reports it, and keeps the decision about it.
    fn take(&mut self, operation: &Operation<'_>) -> Result<(), Failure> {
        let closing = &mut self.closing;
        let judgement = closing.judge.judge(operation);
        for difference in judgement.differences {
            closing.progress.aside(|| closing.report.find(difference))?;
        }
        let Some(decision) = judgement.decision else { return Ok(()) };
        let response = match &decision.proof {
            Some(proof) if proof.line.has_response && proof.is_only => {
                self.ledger.response_at(proof.line.line, proof.line.offset)?
            }
            _ => None,
        };
        let decisions = match decision.proof {
            Some(_) => &mut self.closing.executed,
            None => &mut self.closing.not_executed,
        };
        Ok(decisions.push(&self.origin.request(&decision, response))?)
    }
}
