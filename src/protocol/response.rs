//! The response that is kept and replayed.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::Owner;

/// A response as it is stored: exactly the parts that a replay sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The upstream's status.
    pub status: StatusCode,
    /// The kept headers. Repeated ones keep their count and order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl StoredResponse {
    /// Copies the response into memory of its own. A response that was read from a connection shares the
    /// whole read buffer, and holds the buffer for as long as it lives.
    #[must_use]
    pub fn detached(self) -> Self {
        let copied = |value: HeaderValue| {
            let mut copy = HeaderValue::from_bytes(value.as_bytes()).expect("what was a header value is one");
            copy.set_sensitive(value.is_sensitive());
            copy
        };
        let headers = self.headers.into_iter().map(|(name, value)| (name, copied(value))).collect();
        Self { headers, body: Bytes::copy_from_slice(&self.body), ..self }
    }
}

/// The reference from a completed record to its response. The response is stored separately, so that claims
/// and lists stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseRef {
    /// Name of the response: the owner's token for the response of its execution, or a fresh token for a
    /// response that an operator supplied. Two completions with the same id carry the same response, because
    /// an owner makes one call.
    pub id: Owner,
    /// The upstream's status code.
    pub status: u16,
    /// False if the response was passed through without being kept (too large, or a stream).
    pub retained: bool,
}

impl ResponseRef {
    /// Returns the reference to a response that is stored with the record, under the name `id`.
    #[must_use]
    pub fn stored(id: Owner, response: &StoredResponse) -> Self {
        Self { id, status: response.status.as_u16(), retained: true }
    }
}
