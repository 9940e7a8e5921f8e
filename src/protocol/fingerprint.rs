//! The client's request as a digest. The same key with a different request is not a retry, but a mistake that
//! the gateway reports to the client.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

use self::json::canonical;
use super::path::Template;

mod json;

/// The rules by which a fingerprint is made. They are stored with every record, so that a gateway with
/// another configuration compares a retry by the rules of the first attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// The part of the body that counts.
    pub body: BodyScheme,
    /// The lower-case names of the request headers that count, in the order they are hashed.
    pub headers: Vec<String>,
    /// The spellings of the path that count as equal.
    pub path: PathScheme,
}

/// The spellings of a path that count as equal in the fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathScheme {
    /// No two spellings: the path counts as it was sent.
    AsSent,
    /// Spellings that this template treats as equal ([`Template::form`]). The template is that of the first
    /// attempt's route. A retry may take another route and is still the same request.
    Equivalent(Template),
}

/// The part of a body that goes into the fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyScheme {
    /// Every byte.
    Raw,
    /// The meaning of the JSON document: member order, white space, escapes and the spelling of a number do
    /// not count (RFC 8785).
    ///
    /// Two different amounts must never look the same. Therefore some bodies are taken as
    /// [`BodyScheme::Raw`]: a body that is not JSON, that names a member twice, or that holds a number which
    /// a double might not distinguish from its neighbours. Such a number has more than 15 significant digits
    /// in any spelling, or is at least 10^15 (so every integer beyond 2^53 is taken raw), or is below about
    /// 10^-290.
    Json {
        /// JSON pointers (RFC 6901) of members that do not count, such as a time of sending.
        ignore: Vec<String>,
    },
}

/// The parts of a request that can go into a fingerprint.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The request method.
    pub method: &'a Method,
    /// The path as it was sent, not decoded.
    pub path: &'a str,
    /// The query as it was sent, without the question mark.
    pub query: Option<&'a str>,
    /// The request headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// A digest of one request under one scheme.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The scheme of the digest. Digests under different schemes cannot be compared.
    pub scheme: Arc<Scheme>,
    /// SHA-256 of the parts.
    pub digest: [u8; 32],
}

impl Fingerprint {
    /// Makes the fingerprint of `request` under `scheme`.
    #[must_use]
    pub fn of(request: RequestParts<'_>, scheme: &Arc<Scheme>) -> Self {
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
        for name in &scheme.headers {
            digest.part(name.as_bytes());
            let values = request.headers.get_all(name.as_str()).iter();
            digest.list(&values.map(http::HeaderValue::as_bytes).collect::<Vec<_>>());
        }
        let meaning = match &scheme.body {
            BodyScheme::Raw => None,
            BodyScheme::Json { ignore } => canonical(request.body, ignore),
        };
        match meaning {
            Some(meaning) => {
                digest.part(b"json");
                digest.part(&meaning);
            }
            None => {
                digest.part(b"raw");
                digest.part(request.body);
            }
        }
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
mod tests {
    use super::*;

    fn of(body: &str, scheme: BodyScheme) -> [u8; 32] {
        let headers = HeaderMap::new();
        let request = RequestParts {
            method: &Method::POST,
            path: "/v1/charges",
            query: None,
            headers: &headers,
            body: body.as_bytes(),
        };
        Fingerprint::of(
            request,
            &Arc::new(Scheme { body: scheme, headers: Vec::new(), path: PathScheme::AsSent }),
        )
        .digest
    }

    fn json(body: &str) -> [u8; 32] {
        of(body, BodyScheme::Json { ignore: vec!["/sent_at".into(), "/meta/try".into()] })
    }

    #[test]
    fn spelling_does_not_count_as_json_and_does_as_raw() {
        let (one, other) = (r#"{"a":1,"b":"é"}"#, "{ \"b\": \"\\u00e9\", \"a\": 1.0 }");
        assert_eq!(json(one), json(other));
        assert_ne!(of(one, BodyScheme::Raw), of(other, BodyScheme::Raw));
    }

    #[test]
    fn ignored_members_do_not_count() {
        assert_eq!(json(r#"{"a":1,"sent_at":1}"#), json(r#"{"a":1,"sent_at":2}"#));
        assert_eq!(json(r#"{"a":1,"meta":{"try":1}}"#), json(r#"{"a":1,"meta":{}}"#));
        assert_ne!(json(r#"{"a":1,"sent_at":1}"#), json(r#"{"a":2,"sent_at":1}"#));
    }

    #[test]
    fn amounts_that_a_double_cannot_tell_apart_stay_apart() {
        for (one, other) in [
            ("9007199254740992", "9007199254740993"),
            ("0.1", "0.1000000000000000055511151231257827"),
            ("1e-400", "0"),
            ("90071992547409.921", "90071992547409.922"),
        ] {
            let body = |amount| format!(r#"{{"amount":{amount}}}"#);
            assert_ne!(json(&body(one)), json(&body(other)), "{one} {other}");
        }
    }

    #[test]
    fn a_member_named_twice_is_not_dropped() {
        assert_ne!(json(r#"{"amount":1,"amount":2}"#), json(r#"{"amount":2}"#));
        assert_ne!(json(r#"{"a":[{"b":1,"b":2}]}"#), json(r#"{"a":[{"b":2}]}"#));
    }

    #[test]
    fn every_part_of_the_request_counts() {
        let headers = vec!["content-type".into()];
        let scheme = Scheme { body: BodyScheme::Raw, headers, path: PathScheme::AsSent };
        let scheme = Arc::new(scheme);
        let mut typed = HeaderMap::new();
        typed.insert("content-type", http::HeaderValue::from_static("application/json"));
        let plain = HeaderMap::new();
        let (method, headers) = (&Method::POST, &plain);
        let base = RequestParts { method, path: "/a", query: None, headers, body: b"" };
        let others = [
            RequestParts { method: &Method::PATCH, ..base },
            RequestParts { path: "/b", ..base },
            RequestParts { query: Some(""), ..base },
            RequestParts { headers: &typed, ..base },
            RequestParts { body: b"x", ..base },
        ];
        let path = PathScheme::Equivalent(Template::new("/a"));
        let folding = Arc::new(Scheme { path, ..Scheme::clone(&scheme) });
        for other in others {
            for scheme in [&scheme, &folding] {
                assert_ne!(Fingerprint::of(base, scheme), Fingerprint::of(other, scheme));
            }
        }
        let spelled = RequestParts { path: "//A/", ..base };
        assert_ne!(Fingerprint::of(base, &scheme), Fingerprint::of(spelled, &scheme));
        assert_eq!(Fingerprint::of(base, &folding), Fingerprint::of(spelled, &folding));
    }
}
