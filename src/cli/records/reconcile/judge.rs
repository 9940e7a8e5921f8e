//! What the lines of an operation and its record say together.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::difference::{Difference, Kind};
use super::join::{Group, Operation};
use super::known::{Known, Stage};
use super::sorter::LineRef;
use crate::clock::Timestamp;
use crate::protocol::RecordId;

/// A decision about an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) id: RecordId,
    /// Number of the execution that was unknown when the record was read.
    pub(super) execution: u32,
    /// The line that proves the execution; `None` if there is none, and the decision is "not executed".
    pub(super) proof: Option<Proof>,
}

/// The lines that prove an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) line: LineRef,
    /// True if it is the only line. Which of several responses is the one to keep, a person has to say.
    pub(super) is_only: bool,
}

/// A count of operations without a difference, or of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    /// Records that were read.
    pub(super) records: u64,
    /// Records of the routes that the ledger is about.
    pub(super) compared: u64,
    /// Operations that both the ledger and the record have as executed.
    pub(super) agreed: u64,
    /// Operations in the ledger with an execution that is still running here.
    pub(super) running: u64,
    /// Unknown outcomes that the ledger does not decide.
    pub(super) undecided: u64,
    /// Operations without a line that were undecided, or declared not executed, when their ttl ended.
    pub(super) expired_undecided: u64,
    /// Lines without a record.
    pub(super) lines_without_record: u64,
    /// Lines that name an operation by a key, without a record of the routes in question. The key or its
    /// scope may be wrong, so the line may be the one that another operation seems to lack.
    pub(super) key_lines_unmatched: u64,
    /// Lines with a record of another route.
    pub(super) lines_of_other_routes: u64,
}

/// The condition under which the absence of a line means something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) settle_lag: Duration,
}

/// The judge of all operations.
pub(super) struct Judge {
    /// The number of records of each route in question, by its name; no name means all routes.
    pub(super) routes: BTreeMap<String, u64>,
    pub(super) window: Option<Window>,
    pub(super) tally: Tally,
}

/// The judgement about one operation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) differences: Vec<Difference>,
    pub(super) decision: Option<Decision>,
}

impl Judge {
    /// Creates a judge of these routes, or of all if there is none.
    pub(super) fn new(routes: &[String], window: Option<Window>) -> Self {
        let routes = routes.iter().map(|route| (route.clone(), 0)).collect();
        Self { routes, window, tally: Tally::default() }
    }

    /// Judges one operation, and counts it.
    pub(super) fn judge(&mut self, operation: &Operation<'_>) -> Judgement {
        let Operation { record, lines } = operation;
        let mut judgement = Judgement::default();
        if record.is_some_and(|record| !self.is_in_question(record)) {
            if let Some(group) = lines {
                self.tally.lines_of_other_routes += group.count;
                self.tally.key_lines_unmatched += group.by_key;
            }
            return judgement;
        }
        match (record, lines) {
            (Some(record), Some(group)) => self.compare(record, group, &mut judgement),
            (Some(record), None) => self.miss(record, &mut judgement),
            (None, Some(group)) => {
                self.tally.lines_without_record += group.count;
                self.tally.key_lines_unmatched += group.by_key;
                judgement.double(None, group);
            }
            (None, None) => {}
        }
        judgement
    }

    /// Counts a record, and tells whether it is of a route in question.
    fn is_in_question(&mut self, record: &Known) -> bool {
        self.tally.records += 1;
        let is_in_question = match self.routes.get_mut(&record.route) {
            Some(count) => {
                *count += 1;
                true
            }
            None => self.routes.is_empty(),
        };
        self.tally.compared += u64::from(is_in_question);
        is_in_question
    }

    /// Judges a record with lines.
    fn compare(&mut self, record: &Known, group: &Group, judgement: &mut Judgement) {
        judgement.double(Some(record), group);
        if group.execution > record.execution {
            let detail = format!(
                "the ledger has execution {}, and the record knows of none after {}",
                group.execution, record.execution
            );
            judgement.find(Kind::Contradiction, Some(record), Some(group), detail);
        } else if record.state == Stage::Cleared {
            let detail = "the record says that it was not executed".into();
            judgement.find(Kind::Contradiction, Some(record), Some(group), detail);
        }
        match (record.state, record.status) {
            (Stage::Completed, Some(status)) if !(200..300).contains(&status) => {
                let detail = format!("clients get status {status}");
                judgement.find(Kind::ErrorStored, Some(record), Some(group), detail);
            }
            (Stage::Expired, _) if !record.is_remembered() => {
                let detail = "it was undecided, or declared not executed, when its ttl ended; it cannot be \
                              resolved any more";
                judgement.find(Kind::Expired, Some(record), Some(group), detail.into());
            }
            (Stage::Completed | Stage::Settled | Stage::Expired, _) => {
                self.tally.agreed += u64::from(judgement.differences.is_empty());
            }
            (Stage::Unknown, _) => {
                judgement.find(Kind::Executed, Some(record), Some(group), String::new());
                let proof = Some(Proof { line: group.lines[0], is_only: group.count == 1 });
                judgement.decision = Some(Decision { id: record.id, execution: record.execution, proof });
            }
            (Stage::Running, _) => self.tally.running += 1,
            (Stage::Cleared, _) => {}
        }
    }

    /// Judges a record without a line.
    fn miss(&mut self, record: &Known, judgement: &mut Judgement) {
        let is_success = record.status.is_none_or(|status| (200..300).contains(&status));
        match record.state {
            Stage::Completed | Stage::Settled if is_success && self.is_in_ledger(record) => {
                let detail = record
                    .status
                    .map_or("it was settled".into(), |status| format!("clients get status {status}"));
                judgement.find(Kind::Missing, Some(record), None, detail);
            }
            Stage::Unknown if self.is_over_within(record) => {
                judgement.find(Kind::NotExecuted, Some(record), None, String::new());
                let (id, execution) = (record.id, record.execution);
                judgement.decision = Some(Decision { id, execution, proof: None });
            }
            Stage::Unknown => self.tally.undecided += 1,
            Stage::Expired if !record.is_remembered() && self.is_begun_within(record) => {
                self.tally.expired_undecided += 1;
            }
            Stage::Completed | Stage::Settled | Stage::Running | Stage::Cleared | Stage::Expired => {}
        }
    }

    /// Tells whether a payment began and was over, and had the time to appear, while the ledger is complete.
    fn is_in_ledger(&self, record: &Known) -> bool {
        self.window.is_some_and(|window| {
            record.created_at >= window.from && record.updated_at.plus(window.settle_lag) <= window.to
        })
    }

    /// Tells whether an operation began while the ledger is complete, or whether no such time is known.
    fn is_begun_within(&self, record: &Known) -> bool {
        self.window.is_none_or(|window| (window.from..window.to).contains(&record.created_at))
    }

    /// Tells whether every call of an operation was made, and over, while the ledger is complete.
    fn is_over_within(&self, record: &Known) -> bool {
        self.window.zip(record.quiet_at).is_some_and(|(window, quiet_at)| {
            record.created_at >= window.from && quiet_at.plus(window.settle_lag) <= window.to
        })
    }
}

impl Judgement {
    fn double(&mut self, record: Option<&Known>, group: &Group) {
        if group.count > 1 {
            let executions = group.lines.iter().map(|line| line.execution).filter(|execution| *execution > 0);
            let mut executions: Vec<_> = executions.map(|execution| execution.to_string()).collect();
            executions.dedup();
            let detail = match executions.as_slice() {
                [] => format!("{} payments", group.count),
                some => format!("{} payments, by execution {}", group.count, some.join(", ")),
            };
            self.find(Kind::Double, record, Some(group), detail);
        }
    }

    fn find(&mut self, kind: Kind, record: Option<&Known>, group: Option<&Group>, detail: String) {
        let id = record.map(|record| record.id).or(group.map(|group| group.id));
        self.differences.push(Difference {
            kind,
            record: id.map(|id| id.to_string()).unwrap_or_default(),
            route: record.map(|record| record.route.clone()),
            execution: record.map(|record| record.execution),
            labels: record.map(|record| record.labels.clone()).unwrap_or_default(),
            lines: group.map(|group| group.lines.iter().map(|line| line.line).collect()).unwrap_or_default(),
            line_count: group.map_or(0, |group| group.count),
            detail,
        });
    }
}

#[cfg(test)]
mod tests;
