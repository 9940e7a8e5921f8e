//! The sending of a reconciliation's decisions.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::client::Client;
use super::super::sender::{Answer, NotTaken, send_all};
use super::decisions::Decisions;
use super::facts::Applied;
use super::failure::Failure;
use super::progress::Progress;
use super::report::Report;

/// The gateway's words where a marker shows the commit of an execution that was to be declared not executed.
const EXECUTED_UPSTREAM: &str = "the upstream has executed the operation";

/// A sender that counts and reports the answers.
pub(super) struct Sender<'w, W> {
    client: &'w Arc<Client>,
    report: &'w mut Report<W>,
    progress: &'w Progress,
    despite_gaps: bool,
    /// Number of the answers so far.
    answers: u64,
    applied: Applied,
    /// Reason of the first decision that failed.
    failure: Option<String>,
}

impl<'w, W: Write> Sender<'w, W> {
    /// Creates a sender. With `despite_gaps`, a gap that shows meanwhile ends nothing.
    pub(super) fn new(
        client: &'w Arc<Client>,
        report: &'w mut Report<W>,
        progress: &'w Progress,
        despite_gaps: bool,
    ) -> Self {
        let applied = Applied::default();
        Self { client, report, progress, despite_gaps, answers: 0, applied, failure: None }
    }

    /// Sends decisions that are all "executed", or all "not executed".
    ///
    /// # Errors
    /// [`Failure`] once a decision fails in a way in which the next ones would, too.
    pub(super) async fn send(&mut self, decisions: Decisions, executed: bool) -> Result<(), Failure> {
        let client = self.client;
        let mut decisions = decisions.read()?.map(|decision| decision.map_err(Failure::from));
        send_all(client, &mut decisions, |answer| self.take(answer, executed)).await?;
        self.failure.take().map_or(Ok(()), |why| Err(Failure::Failed(why)))
    }

    /// Returns the results.
    pub(super) fn applied(self) -> Applied {
        self.applied
    }

    fn take(&mut self, answer: Answer, executed: bool) -> Result<ControlFlow<()>, Failure> {
        self.answers += 1;
        self.progress.at(self.answers);
        match answer {
            Answer::Decided(_) if executed => self.applied.executed += 1,
            Answer::Decided(_) => self.applied.not_executed += 1,
            Answer::Refused(NotTaken { id, why }) => {
                self.applied.refused += 1;
                self.progress.aside(|| self.report.refuse(&id, &why))?;
                if !executed && why.contains(EXECUTED_UPSTREAM) {
                    self.applied.contradicted += 1;
                    if !self.despite_gaps {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            Answer::Failed(failed) => self.failure = self.failure.take().or(Some(failed.why)),
        }
        Ok(ControlFlow::Continue(()))
    }
}
