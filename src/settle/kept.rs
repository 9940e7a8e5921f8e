//! The parts of a request that settling needs: taken when the operation is claimed, and kept with its record
//! until the outcome is decided.
//!
//! Each policy keeps what it needs and no more:
//!
//! 1. Each of them keeps the source of its evidence, because no other source may be asked about the operation.
//! 2. `retry` keeps a digest of path, query and body, because the upstream must get the same bytes again.
//! 3. `probe` keeps the values that the URL of its question names.
//! 4. With `keep_request`, any of them keeps the whole request and its key, so that the gateway can send it
//!    again. The place of the key may change before that, and the upstream must get the same key again.
//!
//! Values and requests are sealed if the store has a key for that. A whole request is never kept without.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::config::{EvidenceSource, Route, Settling};
use crate::protocol::probe::Values;
use crate::protocol::{Key, RecordId, RequestParts};
use crate::seal::Sealer;

/// The largest request that is kept, in bytes, with its head. A larger one is sent again by its client alone.
pub const LARGEST_REQUEST: usize = 64 << 10;

/// The purpose that sealed texts are bound to.
const PURPOSE: &str = "oncegate kept request v1";

/// A whole request that was kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptRequest {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Headers in their order.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// The text of the key that the operation was claimed with. Earlier releases did not keep it.
    pub key: Option<String>,
}

impl fmt::Debug for KeptRequest {
    /// Prints only the method, because the rest belongs to the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The kept parts of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Source of the evidence. Earlier releases did not keep it.
    pub source: Option<EvidenceSource>,
    /// Digest of path, query and body.
    digest: Option<Vec<u8>>,
    /// The values that a probe's URL names.
    pub values: Values,
    /// The whole request.
    pub request: Option<KeptRequest>,
}

/// The part that takes what is to be kept out of a request, and reads it again.
#[derive(Clone, Debug, Default)]
pub struct Keeper {
    sealer: Option<Arc<Sealer>>,
}

impl Keeper {
    /// Creates a keeper that seals with `sealer`.
    #[must_use]
    pub fn new(sealer: Option<Arc<Sealer>>) -> Self {
        Self { sealer }
    }

    /// Returns what the policy of `route` keeps of a request, encoded for the record.
    #[must_use]
    pub fn keep(
        &self,
        id: RecordId,
        route: &Route,
        key: &Key,
        request: RequestParts<'_>,
    ) -> Option<Arc<[u8]>> {
        let (digest, values) = match &route.settling {
            Settling::Hold => return None,
            Settling::Marker(_) => (None, Values::default()),
            Settling::Retry(_) => (Some(digest(request)), Values::default()),
            Settling::Probe(probe) => {
                (None, probe.template.values(key.as_str(), request.headers, request.body))
            }
        };
        let request = if route.keep_request { self.whole(request) } else { None };
        let key = request.is_some().then(|| key.as_str().to_owned());
        let closed = wire::Closed { values: values.0, request, key };
        let source = route.evidence.map(|EvidenceSource(digest)| digest.to_vec());
        let kept = match &self.sealer {
            Some(sealer) if closed != wire::Closed::default() => {
                let sealed = sealer.seal(PURPOSE, id.to_string().as_bytes(), &closed.encode_to_vec());
                wire::Kept { digest, values: BTreeMap::new(), sealed: Some(sealed), source }
            }
            _ => wire::Kept { digest, values: closed.values, sealed: None, source },
        };
        Some(kept.encode_to_vec().into())
    }

    /// Returns the whole request, unless it is too large or could not be sealed.
    fn whole(&self, request: RequestParts<'_>) -> Option<wire::Request> {
        self.sealer.as_ref()?;
        let header = |(name, value): (&HeaderName, &HeaderValue)| wire::Header {
            name: name.as_str().to_owned(),
            value: value.as_bytes().to_vec(),
        };
        let whole = wire::Request {
            method: request.method.as_str().to_owned(),
            uri: match request.query {
                Some(query) => format!("{}?{query}", request.path),
                None => request.path.to_owned(),
            },
            headers: request.headers.iter().map(header).collect(),
            body: Bytes::copy_from_slice(request.body),
        };
        (whole.encoded_len() <= LARGEST_REQUEST).then_some(whole)
    }

    /// Reads what was kept. A part that was sealed under a key that is not known here is missing. So is a
    /// part that is damaged.
    #[must_use]
    pub fn read(&self, id: RecordId, kept: Option<&[u8]>) -> Kept {
        let Some(wire) = kept.and_then(|kept| wire::Kept::decode(kept).ok()) else {
            return Kept::default();
        };
        let wire::Kept { digest, values, sealed, source } = wire;
        let source = source.and_then(|source| Some(EvidenceSource(*source.first_chunk()?)));
        let Some(sealed) = sealed else {
            return Kept { source, digest, values: Values(values), request: None };
        };
        let opened = self
            .sealer
            .as_ref()
            .and_then(|sealer| sealer.open(PURPOSE, id.to_string().as_bytes(), &sealed))
            .and_then(|opened| wire::Closed::decode(&*opened).ok());
        match opened {
            Some(closed) => {
                let key = closed.key;
                let request = closed.request.and_then(|request| KeptRequest::of_wire(request, key));
                Kept { source, digest, values: Values(closed.values), request }
            }
            None => {
                tracing::warn!(record = %id, "what was kept for settling cannot be opened: no key here fits");
                Kept { source, digest, ..Kept::default() }
            }
        }
    }

    /// Tells whether the evidence about a record is at `source`. A record of an earlier release does not say
    /// where it is.
    #[must_use]
    pub fn has_source(kept: Option<&[u8]>, source: Option<EvidenceSource>) -> bool {
        let wire = kept.and_then(|kept| wire::Kept::decode(kept).ok());
        let Some(kept) = wire.and_then(|wire| wire.source) else { return true };
        source.is_some_and(|EvidenceSource(digest)| kept == digest)
    }

    /// Tells whether `request` has the path, the query and the body of the request that was kept.
    #[must_use]
    pub fn is_same(&self, id: RecordId, kept: Option<&[u8]>, request: RequestParts<'_>) -> bool {
        self.read(id, kept).digest.is_some_and(|kept| kept == digest(request))
    }
}

impl KeptRequest {
    fn of_wire(wire: wire::Request, key: Option<String>) -> Option<Self> {
        let mut headers = HeaderMap::with_capacity(wire.headers.len());
        for wire::Header { name, value } in wire.headers {
            headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        }
        Some(Self {
            method: wire.method.parse().ok()?,
            uri: wire.uri.parse().ok()?,
            headers,
            body: wire.body,
            key,
        })
    }
}

/// Digests path, query and body, each with its length.
fn digest(request: RequestParts<'_>) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(b"oncegate request v1");
    for part in [
        request.path.as_bytes(),
        &[u8::from(request.query.is_some())],
        request.query.unwrap_or_default().as_bytes(),
        request.body,
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// The encoding. Tags never change: add new ones, and never reuse one.
mod wire {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Kept {
        #[prost(bytes = "vec", optional, tag = "1")]
        pub(super) digest: Option<Vec<u8>>,
        #[prost(btree_map = "string, string", tag = "2")]
        pub(super) values: BTreeMap<String, String>,
        #[prost(bytes = "vec", optional, tag = "3")]
        pub(super) sealed: Option<Vec<u8>>,
        #[prost(bytes = "vec", optional, tag = "4")]
        pub(super) source: Option<Vec<u8>>,
    }

    /// The sealed part.
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Closed {
        #[prost(btree_map = "string, string", tag = "1")]
        pub(super) values: BTreeMap<String, String>,
        #[prost(message, optional, tag = "2")]
        pub(super) request: Option<Request>,
        /// The key that the whole request was claimed with.
        #[prost(string, optional, tag = "3")]
        pub(super) key: Option<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Request {
        #[prost(string, tag = "1")]
        pub(super) method: String,
        #[prost(string, tag = "2")]
        pub(super) uri: String,
        #[prost(message, repeated, tag = "3")]
        pub(super) headers: Vec<Header>,
        #[prost(bytes = "bytes", tag = "4")]
        pub(super) body: Bytes,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Header {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) value: Vec<u8>,
    }
}

#[cfg(test)]
mod tests;
