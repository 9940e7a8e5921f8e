//! A record as Redis keeps it, and the answers of the scripts.
//!
//! The value starts with what scripts compare and stamp (see `lua/record.lua`); the stamps in there
//! are the record's, whatever the encoded record behind them says.

use redis::{FromRedisValue, Value};

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, State, StoredResponse};
use crate::store::{Found, Snapshot, StoreError, codec};

use super::failure::Failure;

const HEADER: usize = 25;

/// What a script about one record says.
pub(super) struct Reply {
    pub(super) kind: Kind,
    pub(super) now: Timestamp,
    record: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
}

/// What a script did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The record was created.
    Won,
    /// The record was written or removed.
    Stored,
    /// Nothing was written; the record was made to count as a write.
    Touched,
    /// There is a record; nothing was written.
    Found,
    /// There is none.
    Absent,
    /// An execution may not begin now.
    Refused,
}

impl Kind {
    /// Whether replicas have something to acknowledge.
    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Won | Self::Stored | Self::Touched)
    }
}

impl Reply {
    pub(super) fn of(value: Value) -> Result<Self, Failure> {
        let odd = |what: &str| Failure::Unclear(format!("a script answered what it should not: {what}"));
        type Parts = (String, u64, Option<Vec<u8>>, Option<Vec<u8>>);
        let (kind, now, record, response) =
            Parts::from_redis_value(value).map_err(|error| odd(&error.to_string()))?;
        let kind = match kind.as_str() {
            "won" => Kind::Won,
            "stored" => Kind::Stored,
            "touched" => Kind::Touched,
            "found" => Kind::Found,
            "absent" => Kind::Absent,
            "refused" => Kind::Refused,
            other => return Err(odd(other)),
        };
        Ok(Self { kind, now: Timestamp(now), record, response })
    }

    /// What is stored.
    pub(super) fn snapshot(self, id: RecordId) -> Result<Snapshot, StoreError> {
        let Some(record) = self.record else {
            return Ok(Snapshot { record: None, response: None, now: self.now });
        };
        let record = decode(id, &record)?;
        let response = match record.state {
            State::Completed { response, .. } if response.retained => {
                self.response.map(|bytes| decode_response(id, &bytes)).transpose()?
            }
            _ => None,
        };
        Ok(Snapshot { record: Some(record), response, now: self.now })
    }

    /// What is stored, where something is.
    pub(super) fn found(self, id: RecordId) -> Result<Found, StoreError> {
        let Snapshot { record, response, now } = self.snapshot(id)?;
        let missing = || StoreError::Unclear("a script found a record and did not show it".into());
        Ok(Found { record: record.ok_or_else(missing)?, response, now })
    }
}

/// The record in `bytes`, as it was stamped.
pub(super) fn decode(id: RecordId, bytes: &[u8]) -> Result<Record, StoreError> {
    let unreadable = |cause: String| StoreError::Unreadable { id, cause };
    let Some((header, encoded)) = bytes.split_at_checked(HEADER) else {
        return Err(unreadable(format!("it has {} bytes, fewer than its header", bytes.len())));
    };
    let record = codec::decode_record(encoded).map_err(|cause| unreadable(cause.to_string()))?;
    let number = |at: usize| header[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    if number(0) != record.revision.0 {
        return Err(unreadable("its header belongs to another revision".into()));
    }
    Ok(Record { created_at: Timestamp(number(8)), updated_at: Timestamp(number(16)), ..record })
}

fn decode_response(id: RecordId, bytes: &[u8]) -> Result<StoredResponse, StoreError> {
    codec::decode_response(bytes)
        .map_err(|cause| StoreError::Unreadable { id, cause: format!("its response: {cause}") })
}
