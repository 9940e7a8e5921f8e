//! The client's request as a digest. The same key with a different request is not a retry, but a mistake that
//! the gateway reports to the client.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};

pub use self::choice::MemberChoice;
pub use self::request::RequestParts;
pub use self::scheme::{BodyScheme, PathScheme, Scheme};

use self::content::Content;

mod choice;
mod content;
mod field_name;
mod form;
mod json;
mod media_type;
mod multipart;
mod places;
mod request;
mod scheme;

/// A digest of one request under one scheme.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The scheme of the digest. Digests under different schemes cannot be compared.
    pub scheme: Arc<Scheme>,
    /// SHA-256 of the parts.
    pub digest: [u8; 32],
}

impl Fingerprint {
    /// Makes the fingerprint of a request on a route with this scheme. The fingerprint has the scheme of the
    /// record that the request makes if it is the first.
    #[must_use]
    pub fn of(request: RequestParts<'_>, scheme: &Arc<Scheme>) -> Self {
        Self::under(request, &scheme.of_first(&request))
    }

    /// Makes the fingerprint of a request under the scheme of an existing record.
    #[must_use]
    pub fn under(request: RequestParts<'_>, scheme: &Arc<Scheme>) -> Self {
        let mut digest = PartsDigest(Sha256::new_with_prefix(b"oncegate fingerprint v1"));
        digest.part(request.method.as_str().as_bytes());
        match &scheme.path {
            PathScheme::AsSent => digest.part(request.path.as_bytes()),
            PathScheme::Equivalent(template) => {
                digest.part(b"equivalent");
                digest.part(template.form(request.path).as_bytes());
            }
        }
        // Some upstreams distinguish a missing query from an empty one.
        digest.list(request.query.map(str::as_bytes).as_slice());
        let content = Content::of(&request, &scheme.body);
        for name in &scheme.headers {
            digest.part(name.as_bytes());
            match &content.content_type {
                Some(value) if *name == CONTENT_TYPE.as_str() => digest.list(&[value]),
                _ => {
                    let values = request.headers.get_all(name.as_str()).iter();
                    digest.list(&values.map(HeaderValue::as_bytes).collect::<Vec<_>>());
                }
            }
        }
        digest.part(content.kind);
        digest.part(&content.body);
        Self { scheme: Arc::clone(scheme), digest: digest.0.finalize().into() }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:02x}{:02x}…)", self.digest[0], self.digest[1])
    }
}

/// A digest of length-prefixed parts, so that no two sequences of parts have the same digest.
struct PartsDigest(Sha256);

impl PartsDigest {
    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn list(&mut self, items: &[&[u8]]) {
        self.0.update((items.len() as u64).to_be_bytes());
        items.iter().for_each(|item| self.part(item));
    }
}

#[cfg(test)]
mod tests;
