//! Fingerprints of bodies with a media type.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use oncegate::protocol::{BodyScheme, Fingerprint, PathScheme, RequestParts, Scheme};

/// Returns the digest of a request with this body; `None` if no header can have this media type.
pub fn digest_of(media_type: &[u8], body: &[u8], scheme: BodyScheme) -> Option<[u8; 32]> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_bytes(media_type).ok()?);
    let request =
        RequestParts { method: &Method::POST, path: "/v1/charges", query: None, headers: &headers, body };
    let counted = vec!["content-type".to_owned()];
    let scheme = Scheme { body: scheme, headers: counted, path: PathScheme::AsSent };
    Some(Fingerprint::of(request, &Arc::new(scheme)).digest)
}
