use super::super::known::Remembered;
use super::*;

const WINDOW: Window =
    Window { from: Timestamp(100), to: Timestamp(200), settle_lag: Duration::from_millis(10) };

/// Makes a record that was last written, or whose call is over, at `ended_at`.
fn record(state: Stage, status: Option<u16>, created_at: u64, ended_at: u64) -> Known {
    let id = RecordId::from_bytes(&[1; 20]).expect("20 bytes");
    let quiet_at = (state == Stage::Unknown).then_some(Timestamp(ended_at));
    let (created_at, updated_at) = (Timestamp(created_at), Timestamp(ended_at));
    let executed = (state == Stage::Expired).then_some(Remembered::Yes);
    let labels = BTreeMap::new();
    Known {
        id,
        route: "pay".into(),
        state,
        execution: 2,
        status,
        executed,
        created_at,
        updated_at,
        quiet_at,
        labels,
    }
}

fn group(record: &Known, executions: &[u32]) -> Group {
    let line = |(line, execution): (u64, &u32)| LineRef {
        id: record.id,
        execution: *execution,
        line,
        offset: 0,
        has_response: false,
    };
    let lines: Vec<_> = (1..).zip(executions).map(line).collect();
    Group {
        id: record.id,
        count: lines.len() as u64,
        by_key: executions.iter().filter(|execution| **execution == 0).count() as u64,
        execution: executions.iter().copied().max().unwrap_or(0),
        lines,
    }
}

/// Judges a record with a line of each of these executions, and returns the differences and the decision.
fn judged(record: &Known, executions: &[u32], window: Option<Window>) -> (Vec<Kind>, Option<bool>) {
    let lines = Some(group(record, executions)).filter(|group| group.count > 0);
    let mut judge = Judge::new(&["pay".into()], window);
    let judgement = judge.judge(&Operation { record: Some(record), lines });
    let kinds = judgement.differences.iter().map(|difference| difference.kind).collect();
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
        (Stage::Completed, Some(200), 100, 101, Some(Kind::Missing)),
        (Stage::Completed, Some(299), 189, 190, Some(Kind::Missing)),
        (Stage::Settled, None, 150, 160, Some(Kind::Missing)),
        (Stage::Completed, Some(200), 99, 150, None),
        (Stage::Completed, Some(200), 150, 191, None),
        (Stage::Settled, None, 150, 200, None),
        (Stage::Completed, Some(303), 150, 160, None),
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

/// A tombstone does not say whether its outcome was undecided or declared not executed.
#[test]
fn an_outcome_that_was_open_at_the_end_of_its_ttl_is_told_from_an_executed_one() {
    let executed = record(Stage::Expired, None, 150, 180);
    let open = Known { executed: Some(Remembered::Unknown), ..executed.clone() };
    let tally = |record: &Known, executions: &[u32], window| {
        let mut judge = Judge::new(&[], window);
        let lines = Some(group(record, executions)).filter(|group| group.count > 0);
        judge.judge(&Operation { record: Some(record), lines });
        (judge.tally.agreed, judge.tally.expired_undecided)
    };
    assert_eq!((tally(&executed, &[2], None), tally(&executed, &[], None)), ((1, 0), (0, 0)));
    assert_eq!((tally(&open, &[2], None), tally(&open, &[], None)), ((0, 0), (0, 1)));
    assert_eq!(judged(&open, &[2], Some(WINDOW)), (vec![Kind::Expired], None));
    assert_eq!(tally(&open, &[], Some(WINDOW)), (0, 1));
    let window = Window { from: Timestamp(151), ..WINDOW };
    assert_eq!(tally(&open, &[], Some(window)), (0, 0));
}

#[test]
fn lines_by_key_need_a_record_of_the_route() {
    let record = record(Stage::Completed, Some(200), 150, 160);
    let lines = group(&record, &[0, 0, 2]);
    for (record, routes, unmatched) in
        [(None, vec![], 2), (Some(&record), vec!["refund".into()], 2), (Some(&record), vec!["pay".into()], 0)]
    {
        let mut judge = Judge::new(&routes, Some(WINDOW));
        judge.judge(&Operation { record, lines: Some(lines.clone()) });
        assert_eq!(judge.tally.key_lines_unmatched, unmatched, "{record:?}");
    }
}
