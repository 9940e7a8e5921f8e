//! A stored record, and a stored response.

use std::sync::Arc;

use oncegate::clock::Timestamp;
use oncegate::protocol::{Claim, Evidence, Labels, Owner, Reason, Record, Resolution, ResponseRef, State};
use oncegate::store::codec::{decode_record, decode_response, encode_record, encode_response};

use super::events::{Event, Next, Verdict, transition};

/// Checks that decoded bytes give the record that was encoded. The record also comes back the same after any
/// event at any time, and the number of executions never goes back. Other bytes give an error with a text.
pub fn record(data: &[u8]) {
    match decode_response(data) {
        Ok(response) => assert_eq!(decode_response(&encode_response(&response)), Ok(response)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match decode_record(data) {
        Ok(record) => lives(&record),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn lives(record: &Record) {
    assert_eq!(decode_record(&encode_record(record)).as_ref(), Ok(record));
    let times = [Timestamp(0), record.updated_at, record.deadline(), Timestamp(u64::MAX)];
    for now in times {
        assert!(!format!("{now}").is_empty());
        for event in events(record) {
            let decided = transition(Some(record), &event, now);
            if let Next::Write(next) = &decided.next {
                assert_eq!(decode_record(&encode_record(next)).as_ref(), Ok(next));
                assert_ne!(next.revision, record.revision);
                let forgotten = record.at(now).is_none();
                assert!(forgotten || next.state.n() >= record.state.n(), "{event:?} goes back: {next:?}");
                if let Verdict::Won { n } = decided.verdict {
                    assert_eq!(n, next.state.n());
                }
            }
        }
    }
}

/// Returns every event that can happen to the record. An event that names an execution names the last one.
fn events(record: &Record) -> Vec<Event> {
    let (n, owner) = (record.state.n(), holder(record));
    let response = ResponseRef { id: owner, status: 201, retained: true };
    let claim = Claim {
        owner: Owner([0x5a; 16]),
        namespace: Arc::clone(&record.namespace),
        route: Arc::clone(&record.route),
        fingerprint: record.fingerprint.clone(),
        policy: record.policy,
        kept: None,
        labels: Labels::default(),
    };
    vec![
        Event::Claim(claim),
        Event::Renew { owner, n },
        Event::Complete { owner, n, response },
        Event::Release { owner, n },
        Event::Lose { owner, n, reason: Reason::Shutdown },
        Event::Sweep,
        Event::TakeOver { owner: Owner([0x5a; 16]), after: owner, n },
        Event::Settle { owner, n, evidence: Evidence::Executed(None) },
        Event::Settle { owner, n, evidence: Evidence::Executed(Some(response)) },
        Event::Settle { owner, n, evidence: Evidence::NotExecuted { fenced: false } },
        Event::Settle { owner, n, evidence: Evidence::NotExecuted { fenced: true } },
        Event::Resolve(Resolution::Executed(Some(response))),
        Event::Resolve(Resolution::NotExecuted { force: true }),
        Event::Resolve(Resolution::NotExecuted { force: false }),
        Event::Reopen,
        Event::Delete,
    ]
}

fn holder(record: &Record) -> Owner {
    match record.state {
        State::Running { owner, .. }
        | State::Completed { owner, .. }
        | State::Settled { owner, .. }
        | State::Unknown { owner, .. }
        | State::Cleared { owner, .. } => owner,
        State::Expired { .. } => Owner([0; 16]),
    }
}
