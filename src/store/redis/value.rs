//! A record as Redis keeps it, and the answers of the scripts.
//!
//! The value starts with a header that scripts compare and stamp (see `lua/record.lua`). The stamps in the
//! header are the record's stamps, even where the encoded record behind them has others.

use redis::{FromRedisValue, ParsingError, Value};

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, Revision};
use crate::store::stored::Stored;
use crate::store::{Found, Snapshot, StoreError};

use super::failure::Failure;

const HEADER: usize = 25;

/// The answer of a script about one record.
pub(super) struct Reply {
    pub(super) kind: ReplyKind,
    pub(super) now: Timestamp,
    record: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
}

/// The action of a script, as its answer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyKind {
    /// The record was created, written or removed.
    Stored,
    /// No new value was written; the record was touched, which counts as a write.
    Touched,
    /// There is a record; nothing was written.
    Found,
    /// There is no record.
    Absent,
    /// An execution may not begin now.
    Refused,
    /// The gateway no longer waits for the answer.
    Late,
    /// An execution may not begin, because the bucket's mark is not the known one.
    Unmarked,
}

impl ReplyKind {
    /// Tells whether replicas have something to acknowledge.
    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Stored | Self::Touched)
    }
}

impl Reply {
    pub(super) fn of(value: Value) -> Result<Self, Failure> {
        let odd = |what: &str| Failure::unclear(format!("a script gave an unexpected answer: {what}"));
        let unfit = |error: ParsingError| odd(&error.to_string());
        // After a write, the answer is the time alone.
        if let Value::Int(_) = value {
            let now = Timestamp(u64::from_redis_value(value).map_err(unfit)?);
            return Ok(Self { kind: ReplyKind::Stored, now, record: None, response: None });
        }
        let mut parts = Vec::<Value>::from_redis_value(value).map_err(unfit)?.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        let (kind, now) =
            (String::from_redis_value(next()).map_err(unfit)?, u64::from_redis_value(next()).map_err(unfit)?);
        let (record, response) = (
            Option::<Vec<u8>>::from_redis_value(next()).map_err(unfit)?,
            Option::<Vec<u8>>::from_redis_value(next()).map_err(unfit)?,
        );
        let kind = match kind.as_str() {
            "touched" => ReplyKind::Touched,
            "found" => ReplyKind::Found,
            "absent" => ReplyKind::Absent,
            "refused" => ReplyKind::Refused,
            "late" => ReplyKind::Late,
            "unmarked" => ReplyKind::Unmarked,
            other => return Err(odd(other)),
        };
        Ok(Self { kind, now: Timestamp(now), record, response })
    }

    /// Returns the stored record and its response.
    pub(super) fn snapshot(self, id: RecordId) -> Result<Snapshot, StoreError> {
        match &self.record {
            None => Ok(Snapshot { record: None, response: None, now: self.now }),
            Some(bytes) => Ok(stored(id, bytes)?.found(id, self.response.as_deref(), self.now)?.into()),
        }
    }

    /// Returns the stored record and its response, which must exist.
    pub(super) fn found(self, id: RecordId) -> Result<Found, StoreError> {
        let Snapshot { record, response, now } = self.snapshot(id)?;
        let missing = || StoreError::Unclear("a script found a record and did not return it".into());
        Ok(Found { record: record.ok_or_else(missing)?, response, now })
    }
}

/// Decodes the record in `bytes`, with the stamps of its header.
pub(super) fn decode(id: RecordId, bytes: &[u8]) -> Result<Record, StoreError> {
    stored(id, bytes)?.record(id)
}

fn stored(id: RecordId, bytes: &[u8]) -> Result<Stored<'_>, StoreError> {
    let Some((header, encoded)) = bytes.split_at_checked(HEADER) else {
        let cause = format!("it has {} bytes, fewer than its header", bytes.len());
        return Err(StoreError::Unreadable { id, cause: cause.into() });
    };
    let number = |at: usize| header[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (created_at, updated_at) = (Timestamp(number(8)), Timestamp(number(16)));
    Ok(Stored { revision: Revision(number(0)), created_at, updated_at, encoded })
}
