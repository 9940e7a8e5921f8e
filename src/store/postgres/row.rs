//! Conversion of rows to records.

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

/// The object identifier of `timestamptz`, which is the same on every server.
const TIMESTAMPTZ: u32 = 1184;
/// Microseconds from 1970, the epoch of [`Timestamp`], to 2000, the epoch of Postgres.
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

/// Returns the id in a row, or `None` if the row is about no record.
pub(super) fn id(row: &PgRow) -> Result<Option<RecordId>, Failure> {
    let bytes: Option<&[u8]> = row.try_get("id")?;
    Ok(bytes.and_then(RecordId::from_bytes))
}

/// Returns the moment in a column.
pub(super) fn moment(row: &PgRow, column: &str) -> Result<Timestamp, Failure> {
    Ok(row.try_get::<Moment, _>(column)?.0)
}

/// Returns the record in a row, if there is one.
///
/// # Errors
/// The outer error: the row does not have the expected columns. The inner error: its bytes are no record.
pub(super) fn record(row: &PgRow, id: RecordId) -> Result<Option<Result<Record, StoreError>>, Failure> {
    Ok(stored(row)?.map(|stored| stored.record(id)))
}

/// Returns the record and the response in a row, if there are any.
///
/// # Errors
/// The same as for [`record`].
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
