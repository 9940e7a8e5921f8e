//! A record in a server's form: the fields that the server compares and stamps, and the encoded record, which
//! the server never decodes.

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, Revision, State, StoredResponse};

use super::{Cause, Found, StoreError, codec};

/// A stored record with decoded stamps. The rest is still encoded.
#[derive(Clone, Debug)]
pub(super) struct Stored<'a> {
    /// The revision that the server compares.
    pub(super) revision: Revision,
    /// The time at which the server created it.
    pub(super) created_at: Timestamp,
    /// The time at which the server last wrote it.
    pub(super) updated_at: Timestamp,
    /// The encoded record. The stamps in it are ignored.
    pub(super) encoded: &'a [u8],
}

impl Stored<'_> {
    /// Decodes the record under `id` and sets its stamps.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the bytes are not a record, or not the one that was stamped.
    pub(super) fn record(&self, id: RecordId) -> Result<Record, StoreError> {
        let unreadable = |cause: Cause| StoreError::Unreadable { id, cause };
        let record = codec::decode_record(self.encoded)
            .map_err(|cause| unreadable(Cause::of(cause.to_string(), cause)))?;
        if self.revision != record.revision {
            return Err(unreadable("it is stamped with the revision of another record".into()));
        }
        Ok(Record { created_at: self.created_at, updated_at: self.updated_at, ..record })
    }

    /// Decodes the record under `id` and its response, as found at `now`.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if either of them cannot be decoded.
    pub(super) fn found(
        &self,
        id: RecordId,
        response: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let record = self.record(id)?;
        let response = match record.state {
            State::Completed { response: reference, .. } if reference.retained => {
                response.map(|bytes| decode_response(id, bytes)).transpose()?
            }
            _ => None,
        };
        Ok(Found { record, response, now })
    }
}

fn decode_response(id: RecordId, bytes: &[u8]) -> Result<StoredResponse, StoreError> {
    codec::decode_response(bytes).map_err(|cause| StoreError::Unreadable {
        id,
        cause: Cause::of(format!("its response: {cause}"), cause),
    })
}
