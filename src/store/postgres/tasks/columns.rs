//! The columns beside an encoded record.

use crate::protocol::{Reason, Record, State};

/// Returns the number of the last execution.
pub(super) fn execution(record: &Record) -> i32 {
    i32::try_from(record.state.n()).unwrap_or(i32::MAX)
}

/// Returns milliseconds, at most ten thousand years, which a `timestamptz` can still hold.
pub(super) fn until_deadline(record: &Record) -> i64 {
    const MOST: u128 = 10_000 * 365 * 24 * 60 * 60 * 1000;
    record.until_deadline().as_millis().min(MOST) as i64
}

/// Returns the reason of an unknown outcome.
pub(super) fn reason(record: &Record) -> Option<String> {
    match record.state {
        State::Unknown { reason, .. } => Some(reason.to_string()),
        _ => None,
    }
}

/// Returns the status of the upstream's response, for operators to search by.
pub(super) fn status(record: &Record) -> Option<i16> {
    let status = match record.state {
        State::Completed { response, .. } => response.status,
        State::Unknown { reason: Reason::Status(status), .. } => status,
        _ => return None,
    };
    i16::try_from(status).ok()
}
