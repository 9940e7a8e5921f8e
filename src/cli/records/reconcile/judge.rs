//! What the lines of an operation and its record say together.

use std::time::Duration;

use serde::Serialize;

use super::finding::{Finding, Kind};
use super::join::{Group, Operation};
use super::known::{Known, Stage};
use super::sorter::Entry;
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
    pub(super) line: Entry,
    /// True if it is the only line. Which of several responses is the one to keep, a person has to say.
    pub(super) is_only: bool,
}

/// A count of operations without a finding, or of lines.
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
    /// Operations in the ledger with a response that is no longer kept here.
    pub(super) expired: u64,
    /// Unknown outcomes that the ledger does not decide.
    pub(super) undecided: u64,
    /// Lines without a record.
    pub(super) lines_without_record: u64,
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
    /// Names of the routes; no name means all routes.
    pub(super) routes: Vec<String>,
    pub(super) window: Option<Window>,
    pub(super) tally: Tally,
}

/// The judgement about one operation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) findings: Vec<Finding>,
    pub(super) decision: Option<Decision>,
}

impl Judge {
    /// Judges one operation, and counts it.
    pub(super) fn judge(&mut self, operation: &Operation<'_>) -> Judgement {
        let Operation { record, lines } = operation;
        let mut judgement = Judgement::default();
        if let Some(record) = record {
            self.tally.records += 1;
            if !self.routes.is_empty() && !self.routes.contains(&record.route) {
                self.tally.lines_of_other_routes += lines.as_ref().map_or(0, |group| group.count);
                return judgement;
            }
            self.tally.compared += 1;
        }
        match (record, lines) {
            (Some(record), Some(group)) => self.compare(record, group, &mut judgement),
            (Some(record), None) => self.miss(record, &mut judgement),
            (None, Some(group)) => {
                self.tally.lines_without_record += group.count;
                judgement.double(None, group);
            }
            (None, None) => {}
        }
        judgement
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
            (Stage::Completed | Stage::Settled, _) => {
                self.tally.agreed += u64::from(judgement.findings.is_empty());
            }
            (Stage::Unknown, _) => {
                judgement.find(Kind::Executed, Some(record), Some(group), String::new());
                let proof = Some(Proof { line: group.lines[0], is_only: group.count == 1 });
                judgement.decision = Some(Decision { id: record.id, execution: record.execution, proof });
            }
            (Stage::Running, _) => self.tally.running += 1,
            (Stage::Expired, _) => self.tally.expired += 1,
            (Stage::Cleared, _) => {}
        }
    }

    /// Judges a record without a line.
    fn miss(&mut self, record: &Known, judgement: &mut Judgement) {
        let is_success = record.status.is_none_or(|status| (200..300).contains(&status));
        match record.state {
            Stage::Completed | Stage::Settled if is_success && self.is_within(record) => {
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
            Stage::Completed | Stage::Settled | Stage::Running | Stage::Cleared | Stage::Expired => {}
        }
    }

    /// Tells whether an operation began while the ledger is complete.
    fn is_within(&self, record: &Known) -> bool {
        self.window.is_some_and(|window| (window.from..window.to).contains(&record.created_at))
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
        self.findings.push(Finding {
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const WINDOW: Window =
        Window { from: Timestamp(100), to: Timestamp(200), settle_lag: Duration::from_millis(10) };

    fn record(state: Stage, status: Option<u16>, created_at: u64, quiet_at: u64) -> Known {
        let id = RecordId::from_bytes(&[1; 20]).expect("20 bytes");
        let quiet_at = (state == Stage::Unknown).then_some(Timestamp(quiet_at));
        let created_at = Timestamp(created_at);
        let (route, labels) = ("pay".into(), BTreeMap::default());
        Known { id, route, state, execution: 2, status, created_at, quiet_at, labels }
    }

    /// Judges a record with a line of each of these executions, and returns the findings and the decision.
    fn judged(record: &Known, executions: &[u32], window: Option<Window>) -> (Vec<Kind>, Option<bool>) {
        let line = |(line, execution): (u64, &u32)| Entry {
            id: record.id,
            execution: *execution,
            line,
            offset: 0,
            has_response: false,
        };
        let lines: Vec<_> = (1..).zip(executions).map(line).collect();
        let group = Group {
            id: record.id,
            count: lines.len() as u64,
            execution: executions.iter().copied().max().unwrap_or(0),
            lines,
        };
        let lines = Some(group).filter(|group| group.count > 0);
        let mut judge = Judge { routes: vec!["pay".into()], window, tally: Tally::default() };
        let judgement = judge.judge(&Operation { record: Some(record), lines });
        let kinds = judgement.findings.iter().map(|finding| finding.kind).collect();
        (kinds, judgement.decision.map(|decision| decision.proof.is_some()))
    }

    #[test]
    fn a_line_is_compared_with_each_state() {
        use Kind::{Contradiction, Double, ErrorStored, Executed};
        for (state, status, executions, kinds, decision) in [
            (Stage::Completed, Some(201), vec![2], vec![], None),
            (Stage::Completed, Some(201), vec![0], vec![], None),
            (Stage::Completed, Some(201), vec![1], vec![], None),
            (Stage::Completed, Some(201), vec![3], vec![Contradiction], None),
            (Stage::Completed, Some(201), vec![1, 2], vec![Double], None),
            (Stage::Completed, Some(402), vec![2], vec![ErrorStored], None),
            (Stage::Settled, None, vec![2], vec![], None),
            (Stage::Unknown, None, vec![1], vec![Executed], Some(true)),
            (Stage::Unknown, None, vec![0, 0], vec![Double, Executed], Some(true)),
            (Stage::Unknown, None, vec![3], vec![Contradiction, Executed], Some(true)),
            (Stage::Cleared, None, vec![1], vec![Contradiction], None),
            (Stage::Running, None, vec![1], vec![], None),
            (Stage::Expired, None, vec![2], vec![], None),
        ] {
            let found = judged(&record(state, status, 150, 180), &executions, Some(WINDOW));
            assert_eq!(found, (kinds, decision), "{state:?} {status:?} {executions:?}");
        }
    }

    #[test]
    fn absence_says_something_within_the_window_alone() {
        for (state, status, created_at, quiet_at, kind) in [
            (Stage::Unknown, None, 100, 190, Some(Kind::NotExecuted)),
            (Stage::Unknown, None, 99, 190, None),
            (Stage::Unknown, None, 100, 191, None),
            (Stage::Completed, Some(200), 100, 0, Some(Kind::Missing)),
            (Stage::Completed, Some(299), 199, 0, Some(Kind::Missing)),
            (Stage::Settled, None, 150, 0, Some(Kind::Missing)),
            (Stage::Completed, Some(200), 99, 0, None),
            (Stage::Completed, Some(200), 200, 0, None),
            (Stage::Completed, Some(303), 150, 0, None),
            (Stage::Cleared, None, 150, 0, None),
            (Stage::Running, None, 150, 0, None),
            (Stage::Expired, None, 150, 0, None),
        ] {
            let record = record(state, status, created_at, quiet_at);
            let decision = (kind == Some(Kind::NotExecuted)).then_some(false);
            let expected = (kind.into_iter().collect(), decision);
            assert_eq!(judged(&record, &[], Some(WINDOW)), expected, "{state:?} {created_at} {quiet_at}");
            assert_eq!(judged(&record, &[], None), (vec![], None));
        }
    }
}
