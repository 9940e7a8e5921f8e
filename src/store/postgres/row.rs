//! Rows as records.

use sqlx::decode::Decode;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Postgres, Row, Type};

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, Revision};
use crate::store::stored::Stored;
use crate::store::{Found, StoreError};

use super::failure::Failure;

/// The object identifier of `timestamptz`, which is the same everywhere.
const TIMESTAMPTZ: u32 = 1184;
/// From 1970, where ours begins, to 2000, where Postgres begins to count.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A `timestamptz`, to the millisecond.
pub(super) struct Moment(pub(super) Timestamp);

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(TIMESTAMPTZ))
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?).saturating_add(EPOCH_MICROS);
        Ok(Self(Timestamp(u64::try_from(micros).unwrap_or_default() / 1000)))
    }
}

/// The id in a row; `None` in one that is about no record.
pub(super) fn id(row: &PgRow) -> Result<Option<RecordId>, Failure> {
    let bytes: Option<&[u8]> = row.try_get("id")?;
    Ok(bytes.and_then(RecordId::from_bytes))
}

/// The moment in a column.
pub(super) fn moment(row: &PgRow, column: &str) -> Result<Timestamp, Failure> {
    Ok(row.try_get::<Moment, _>(column)?.0)
}

/// The record in a row, where there is one.
///
/// # Errors
/// The outer one: the row is not what the statement asked for. The inner one: it holds no record.
pub(super) fn record(row: &PgRow, id: RecordId) -> Result<Option<Result<Record, StoreError>>, Failure> {
    Ok(stored(row)?.map(|stored| stored.record(id)))
}

/// The record and the response in a row, where there are some.
///
/// # Errors
/// As [`record`].
pub(super) fn found(row: &PgRow, id: RecordId) -> Result<Option<Result<Found, StoreError>>, Failure> {
    let Some(stored) = stored(row)? else { return Ok(None) };
    let response: Option<&[u8]> = row.try_get("response")?;
    Ok(Some(stored.found(id, response, moment(row, "now")?)))
}

fn stored(row: &PgRow) -> Result<Option<Stored<'_>>, Failure> {
    let Some(encoded) = row.try_get::<Option<&[u8]>, _>("encoded")? else { return Ok(None) };
    Ok(Some(Stored {
        revision: Revision(row.try_get::<i64, _>("revision")?.cast_unsigned()),
        created_at: moment(row, "created_at")?,
        updated_at: moment(row, "updated_at")?,
        encoded,
    }))
}
