//! The first argument of every script that answers with a record: its fields of a fixed length, in one text.
//!
//! A server makes a text and an entry of a table of each argument, at every call. One text is the cheapest.
//! Behind the fields are the revisions at which a record is touched that is not the expected one, if writes
//! count only once replicas have them. Each script in `lua` says which fields it takes.

use std::time::Duration;

use crate::protocol::{Record, RecordId, Revision, State};

/// Length of the longest of these texts, in bytes.
pub(super) const LONGEST: usize = 62;

/// Returns the fields of `lua/claim.lua`.
pub(super) fn of_claim(id: RecordId, first: &Record, touches: bool) -> Vec<u8> {
    let mut fields = Vec::with_capacity(52);
    fields.extend(id.as_bytes());
    fields.extend(revision(first.revision));
    fields.extend(milliseconds(first.until_deadline()));
    // A claim and its repetition may each find the other's record. That record counts only once replicas
    // have it.
    if touches {
        fields.extend(revision(first.revision));
        fields.extend(revision(first.revision.for_repeated_claim()));
    }
    fields
}

/// Returns the fields of `lua/write.lua`. `puts` is true if the response comes with the record.
pub(super) fn of_write(
    id: RecordId,
    expected: Revision,
    record: &Record,
    puts: bool,
    touches: bool,
) -> Vec<u8> {
    let (state, action) = match record.state {
        State::Running { .. } => (b'r', b'd'),
        State::Unknown { .. } => (b'u', b'd'),
        State::Completed { .. } => (b'o', if puts { b'p' } else { b'k' }),
        State::Settled { .. } | State::Cleared { .. } | State::Expired { .. } => (b'o', b'd'),
    };
    let mut fields = Vec::with_capacity(LONGEST);
    fields.extend(revision(expected));
    fields.extend(id.as_bytes());
    fields.extend(milliseconds(record.until_deadline()));
    fields.extend([state, action]);
    fields.extend(revision(record.revision));
    fields.extend(record.created_at.0.to_be_bytes());
    if touches {
        fields.extend(revision(record.revision));
    }
    fields
}

/// Returns the fields of `lua/remove.lua`.
pub(super) fn of_removal(id: RecordId, expected: Revision) -> Vec<u8> {
    [&revision(expected)[..], id.as_bytes()].concat()
}

/// Returns the fields of `lua/read.lua`.
pub(super) fn of_read(touches: bool) -> &'static str {
    if touches { "any" } else { "" }
}

fn revision(revision: Revision) -> [u8; 8] {
    revision.0.to_be_bytes()
}

fn milliseconds(time: Duration) -> [u8; 8] {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).to_be_bytes()
}
