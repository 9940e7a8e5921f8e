//! The event that the outcome of an operation is unknown, as a CloudEvent 1.0 in structured JSON.

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::protocol::{Notice, Record, RecordId};

/// The value of `source` in events.
const SOURCE: &str = "oncegate";

/// An event about a record.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Record that the event is about.
    pub record: RecordId,
    /// Id of the event. It stays the same each time that the event is told.
    pub id: String,
    /// Digest of the id.
    pub digest: EventDigest,
    /// The event in JSON.
    pub body: Bytes,
}

/// A digest of an event's id, which tells the events of one store apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventDigest(pub [u8; 16]);

#[derive(Serialize)]
struct CloudEvent<'e> {
    specversion: &'e str,
    id: &'e str,
    source: &'e str,
    r#type: String,
    subject: String,
    time: String,
    datacontenttype: &'e str,
    data: Data<'e>,
}

#[derive(Serialize)]
struct Data<'e> {
    namespace: &'e str,
    route: &'e str,
    execution: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Event {
    /// Returns the event that the outcome of `record` became unknown; `None` if its outcome is not unknown.
    pub(super) fn of_unknown(record_id: RecordId, record: &Record) -> Option<Self> {
        let notice = Notice::of_unknown(record)?;
        let id = notice.id(record_id);
        let event = CloudEvent {
            specversion: "1.0",
            id: &id,
            source: SOURCE,
            r#type: format!("oncegate.operation.{}", notice.kind),
            subject: record_id.to_string(),
            // The record was not written since it became unknown.
            time: record.updated_at.to_string(),
            datacontenttype: "application/json",
            data: Data {
                namespace: &notice.namespace,
                route: &notice.route,
                execution: notice.execution,
                reason: notice.reason.map(|reason| reason.to_string()),
            },
        };
        // Only a map with keys that are not text cannot be written, and there is none.
        let body = serde_json::to_vec(&event).ok()?.into();
        Some(Self { record: record_id, digest: EventDigest::of(&id), id, body })
    }
}

impl EventDigest {
    /// Computes the digest of an event's id.
    fn of(id: &str) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(id.as_bytes())[..16]);
        Self(digest)
    }
}
