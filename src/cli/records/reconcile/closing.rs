//! The end of a reconciliation: decisions are applied, and the report is completed.

use std::io::Write;
use std::sync::Arc;

use http::Method;
use serde_json::json;

use super::super::arguments::Reconcile;
use super::super::client::Client;
use super::super::request::AdminRequest;
use super::apply::Sender;
use super::asking::ask;
use super::decisions::Decisions;
use super::difference::Kind;
use super::facts::{Applied, LedgerFacts};
use super::failure::Failure;
use super::gaps::Gaps;
use super::judge::Judge;
use super::progress::Progress;
use super::report::Report;

/// Differences that a person has to look into.
const ALARMING: [Kind; 3] = [Kind::Double, Kind::Contradiction, Kind::Expired];

/// A reconciliation after the walk through the ledger and the records.
pub(super) struct Closing<W> {
    pub(super) judge: Judge,
    pub(super) report: Report<W>,
    pub(super) executed: Decisions,
    pub(super) not_executed: Decisions,
    pub(super) progress: Progress,
}

impl<W: Write> Closing<W> {
    /// Applies the decisions if that was asked for, and ends the report. Returns true if all is fine.
    ///
    /// # Errors
    /// [`Failure`] if a route is unknown, or if the report cannot be written.
    pub(super) async fn end(
        mut self,
        client: &Arc<Client>,
        args: &Reconcile,
        facts: &LedgerFacts,
    ) -> Result<bool, Failure> {
        check_routes(client, &self.judge).await?;
        let mut gaps = Gaps::of(facts, &self.judge.tally, self.report.count(Kind::Missing));
        let mut is_held_back = !gaps.is_empty() && !args.despite_gaps && self.not_executed.count > 0;
        let next_steps = next_steps(args, &self.judge, self.executed.count, self.not_executed.count);
        let (mut applied, mut ended) = (None, Ok(()));
        if args.apply {
            self.progress.step("settling", self.executed.count + self.not_executed.count);
            let mut sender = Sender::new(client, &mut self.report, &self.progress, args.despite_gaps);
            ended = sender.send(self.executed, true).await;
            if ended.is_ok() && !is_held_back {
                ended = sender.send(self.not_executed, false).await;
            }
            let results = applied.insert(sender.applied());
            is_held_back |= gaps.add(results) && !args.despite_gaps;
        }
        drop(self.progress);
        let mut notes = notes(facts, &self.judge, &gaps, is_held_back);
        notes.extend(next_steps);
        if let Err(Failure::Failed(why) | Failure::Usage(why) | Failure::Ledger(why)) = &ended {
            notes.push(format!("Not all decisions were applied: {why}. Run the command again to go on."));
        }
        let is_refused = applied.as_ref().is_some_and(|Applied { refused, .. }| *refused > 0);
        let is_alarming = ALARMING.into_iter().any(|kind| self.report.count(kind) > 0);
        let is_compared = self.judge.tally.compared > 0;
        self.report.finish(facts, &self.judge.tally, applied.as_ref(), &gaps, &notes)?;
        Ok(ended.is_ok() && is_compared && !is_alarming && !is_refused && !(args.apply && is_held_back))
    }
}

/// Checks that the gateway knows each route that no record names.
async fn check_routes(client: &Client, judge: &Judge) -> Result<(), Failure> {
    for (route, _) in judge.routes.iter().filter(|(_, records)| **records == 0) {
        let lookups = json!({ "lookups": [{ "route": route, "key": "any" }] });
        let request =
            AdminRequest { method: Method::POST, path: "/v1/record-ids".into(), body: Some(lookups) };
        // The other answers are about the key's scope, so there is such a route.
        if let Err(Failure::Failed(why)) = ask(client, &request).await
            && why.contains("no route is named")
        {
            return Err(Failure::Usage(format!("no route is named `{route}`, and no record names it")));
        }
    }
    Ok(())
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
fn notes(facts: &LedgerFacts, judge: &Judge, gaps: &Gaps, is_held_back: bool) -> Vec<String> {
    let (mut notes, tally) = (Vec::new(), &judge.tally);
    if is_held_back {
        notes.push(format!(
            "The ledger has gaps ({}), so the absence of a line proves nothing: not-executed is not applied \
             any more. Look into them, then repeat with --despite-gaps.",
            gaps.0.join(", ")
        ));
    }
    if !judge.routes.is_empty() && tally.lines_without_record > 0 {
        notes.push("A line without a record may belong to any route: only a record names its route.".into());
    }
    let named = facts.lines - facts.unnamed;
    if named > 0 && tally.lines_without_record == named {
        notes.push(
            "No line has a record. Is it the right gateway? For lines with keys: is the route's scope complete?"
                .into(),
        );
    }
    for (route, _) in judge.routes.iter().filter(|(_, records)| **records == 0) {
        notes.push(format!("No record names the route `{route}`."));
    }
    if judge.routes.is_empty() && tally.records == 0 {
        notes.push("The gateway has no record.".into());
    }
    if tally.expired_undecided > 0 {
        notes.push(
            "The ttl of undecided outcomes has ended, so they cannot be resolved any more. Run this before \
             it ends."
                .into(),
        );
    }
    notes
}
