//! The documents that all gateways share, kept beside the first bucket.

use bytes::Bytes;
use redis::FromRedisValue;

use crate::clock::Timestamp;
use crate::store::{Document, DocumentName, Replaced, StoreError};

use super::Shared;
use super::failure::Failure;
use super::keys::DOCUMENTS_BUCKET;
use super::script::{Call, Request, Script};

/// The answer of the script: its action, the time, and the document.
type Parts = (String, u64, Option<Vec<u8>>);

impl Shared {
    /// Implements [`crate::store::Store::document`].
    pub(super) async fn document(&self, name: DocumentName) -> Result<Document, StoreError> {
        let call = Call::new(Script::Document, [self.keys.document(name)]);
        let answer = self.ask_bucket(DOCUMENTS_BUCKET, Request::Script(&call)).await?;
        let (_, now, bytes) = Parts::from_redis_value(answer).map_err(odd).map_err(Failure::of_a_read)?;
        Ok(Document { bytes: bytes.map(Bytes::from), now: Timestamp(now) })
    }

    /// Implements [`crate::store::Store::replace_document`]. The write counts once as many replicas have it
    /// as a claim needs.
    pub(super) async fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Result<Replaced, StoreError> {
        let call = Call::new(Script::Document, [self.keys.document(name)])
            .arg(expected.unwrap_or_default())
            .arg(document);
        let (answer, replicas) = self.nodes.ask(DOCUMENTS_BUCKET, Request::Script(&call), true).await?;
        let (kind, ..) = Parts::from_redis_value(answer).map_err(odd)?;
        let wanted = self.setup.settings.wait_replicas;
        match kind.as_str() {
            "stored" if replicas < wanted => {
                Err(StoreError::unclear(format!("only {replicas} of {wanted} replicas have it")))
            }
            kind => Ok(Replaced::where_equal(kind == "stored")),
        }
    }
}

fn odd(error: impl std::fmt::Display) -> Failure {
    Failure::unclear(format!("a script gave an unexpected answer: {error}"))
}
