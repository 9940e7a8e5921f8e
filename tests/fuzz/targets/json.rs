//! Two request bodies that are compared as JSON.

use std::sync::Arc;

use http::{HeaderMap, Method};
use oncegate::protocol::{BodyScheme, Fingerprint, PathScheme, RequestParts, Scheme};

use super::meaning::Meaning;

/// The byte between the two bodies. Neither JSON nor UTF-8 contains it.
const SEPARATOR: u8 = 0xff;

/// Checks that a body compared by its meaning has one, that a second reader finds the same meaning, and that
/// every other spelling of it has the same fingerprint. Two such bodies have one fingerprint exactly when
/// they have the same meaning. A body without a meaning, or with a number that a double may not hold, is
/// compared byte by byte. A body with a plain meaning is never compared byte by byte.
pub fn json(data: &[u8]) {
    let parts: Vec<&[u8]> = data.splitn(2, |byte| *byte == SEPARATOR).collect();
    let meanings: Vec<Option<Meaning>> = parts.iter().map(|part| checked(part)).collect();
    if let [Some(one), Some(other)] = &meanings[..] {
        assert_eq!(one == other, fingerprint(parts[0]) == fingerprint(parts[1]), "{one:?} {other:?}");
    }
    let ignore = ["/sent_at", "/meta/try", "/list/0", "/a~1b"].map(str::to_owned).to_vec();
    let digests = parts.iter().map(|part| digest(part, BodyScheme::Json { ignore: ignore.clone() }));
    assert_eq!(digests.count(), parts.len());
}

/// Returns the meaning of the body, or `None` if its bytes are compared instead.
fn checked(body: &[u8]) -> Option<Meaning> {
    let meaning = Meaning::read(body);
    if is_raw(body) {
        assert!(meaning.is_none() || !is_plain(body), "what means something is taken raw");
        return None;
    }
    let meaning = meaning.expect("what means nothing has a canonical form");
    assert!(meaning.is_exact(), "a number that a double may not hold has a canonical form: {meaning:?}");
    let otherwise = meaning.spelled_otherwise();
    assert!(fingerprint(body) == fingerprint(otherwise.as_bytes()), "{otherwise} has another fingerprint");
    Some(meaning)
}

/// Tells whether the body is flat and has no number that is long or has an exponent.
fn is_plain(body: &[u8]) -> bool {
    let deep = body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 100;
    let mut runs = body.split(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    !deep && runs.all(|run| run.len() <= 15 && !run.iter().any(|byte| matches!(byte, b'e' | b'E')))
}

/// Tells whether the bytes of this body are compared, and not its meaning.
pub fn is_raw(body: &[u8]) -> bool {
    fingerprint(body) == digest(body, BodyScheme::Raw)
}

/// Returns the digest of a request with this body, compared as JSON.
pub fn fingerprint(body: &[u8]) -> [u8; 32] {
    digest(body, BodyScheme::Json { ignore: Vec::new() })
}

/// Returns the digest of a request with this body.
pub fn digest(body: &[u8], scheme: BodyScheme) -> [u8; 32] {
    let headers = HeaderMap::new();
    let asked =
        RequestParts { method: &Method::POST, path: "/v1/charges", query: None, headers: &headers, body };
    Fingerprint::of(asked, &Arc::new(Scheme { body: scheme, headers: Vec::new(), path: PathScheme::AsSent }))
        .digest
}
