//! A record as a server keeps it: what the server itself compares and stamps, and beside that the
//! encoded record, into which it never looks.

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, Revision, State, StoredResponse};

use super::{Found, StoreError, codec};

/// One stored record, its stamps read and the rest still encoded.
#[derive(Clone, Debug)]
pub(super) struct Stored<'a> {
    /// The revision that the server compares.
    pub(super) revision: Revision,
    /// When the server created it.
    pub(super) created_at: Timestamp,
    /// When the server last wrote it.
    pub(super) updated_at: Timestamp,
    /// The record. Its own stamps mean nothing.
    pub(super) encoded: &'a [u8],
}

impl Stored<'_> {
    /// The record under `id`, as it was stamped.
    ///
    /// # Errors
    /// What is stored is not a record, or not the one that was stamped.
    pub(super) fn record(&self, id: RecordId) -> Result<Record, StoreError> {
        let unreadable = |cause: String| StoreError::Unreadable { id, cause };
        let record = codec::decode_record(self.encoded).map_err(|cause| unreadable(cause.to_string()))?;
        if self.revision != record.revision {
            return Err(unreadable("it is stamped with the revision of another record".into()));
        }
        Ok(Record { created_at: self.created_at, updated_at: self.updated_at, ..record })
    }

    /// The record under `id` and the response that belongs to it, as found at `now`.
    ///
    /// # Errors
    /// Either of them cannot be decoded.
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
    codec::decode_response(bytes)
        .map_err(|cause| StoreError::Unreadable { id, cause: format!("its response: {cause}") })
}
