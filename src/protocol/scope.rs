//! The caller of a request: the same key from two callers names two operations.

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;

use super::credential::is_credential;
use super::path;

/// A part of a request by which a route distinguishes its callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopePart {
    /// A request header, with all its values.
    Header(HeaderName),
    /// Issuer and subject of the certificate that the client showed.
    ClientCertificate,
    /// The path, folded whole: the same key on another path is another operation.
    Path,
}

impl fmt::Display for ScopePart {
    /// Writes the part as the configuration does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => f.write_str(name.as_str()),
            Self::ClientCertificate => f.write_str("{ client_certificate = \"issuer-subject\" }"),
            Self::Path => f.write_str("{ path = true }"),
        }
    }
}

/// The parts of a request that may identify its caller.
#[derive(Clone, Copy, Debug)]
pub struct CallerParts<'a> {
    /// The request headers, as the upstream will see them.
    pub headers: &'a HeaderMap,
    /// Issuer and subject of the client's certificate, in DER.
    pub certificate: Option<&'a [u8]>,
    /// The path as it was sent.
    pub path: &'a str,
}

/// The degree to which a request identifies its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerIdentity {
    /// A request that shows a part of the scope other than the path.
    Identified,
    /// A request with an `Authorization` that signs each request anew, and no credential that stays the same.
    SignedPerRequest,
    /// A request that shows no part but the path.
    Anonymous,
}

/// The caller, as the parts of a route's scope identify it.
#[derive(Clone, PartialEq, Eq)]
pub struct Scope(Vec<u8>);

/// Names of the path and the certificate in a scope's bytes. No header has such a name.
const PATH: &str = ":path";
const CERTIFICATE: &str = ":client-certificate";

impl Scope {
    /// Returns the scope of requests that show none of the parts.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Vec::new())
    }

    /// Returns the scope of these headers: each with its lower-case name and all its values in order. A
    /// header without values adds no bytes, so a request without any of the headers is anonymous.
    #[must_use]
    pub fn of<'a, V>(headers: impl IntoIterator<Item = (&'a str, V)>) -> Self
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        let mut scope = Self::anonymous();
        for (name, values) in headers {
            for value in values {
                scope.add(name, value);
            }
        }
        scope
    }

    /// Returns the scope of a request on a route where `parts` distinguish callers, and how well they do.
    ///
    /// An `Authorization` that signs each request anew is left out, because with it every retry would come
    /// from a new caller. Beside such a signature, only a credential identifies the caller, because other
    /// clients can send all other parts too. A value without content identifies no caller.
    #[must_use]
    pub fn of_request(parts: &[ScopePart], caller: CallerParts<'_>) -> (Self, CallerIdentity) {
        let mut scope = Self::anonymous();
        let (mut signed, mut identified, mut has_credential) = (false, false, false);
        for part in parts {
            match part {
                ScopePart::Header(name) => {
                    for value in caller.headers.get_all(name).iter().filter(|value| has_content(value)) {
                        if *name == AUTHORIZATION && signs_each_request(value) {
                            signed = true;
                            continue;
                        }
                        scope.add(name.as_str(), value.as_bytes());
                        identified = true;
                        has_credential |= is_credential(name);
                    }
                }
                ScopePart::ClientCertificate => {
                    if let Some(certificate) = caller.certificate {
                        scope.add(CERTIFICATE, certificate);
                        (identified, has_credential) = (true, true);
                    }
                }
                ScopePart::Path => scope.add(PATH, &path::scope_form(caller.path)),
            }
        }
        let identity = match (signed, identified) {
            (true, _) if !has_credential => CallerIdentity::SignedPerRequest,
            (_, true) => CallerIdentity::Identified,
            (_, false) => CallerIdentity::Anonymous,
        };
        (scope, identity)
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.extend((part.len() as u64).to_be_bytes());
            self.0.extend(part);
        }
    }

    /// Returns the bytes that go into the record id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Schemes of `Authorization` with a value that depends on the request or on its time: signatures, digests
/// and challenges (from the HTTP authentication scheme registry, and the signatures of large clouds). A
/// scheme added here changes the names of operations, and so needs another scheme of digests (`identity.rs`).
const SIGNING: [&str; 28] = [
    "acs",
    "amx",
    "apiauth",
    "aws",
    "bce-auth-v1",
    "cos",
    "digest",
    "hawk",
    "hmac",
    "hoba",
    "httpsig",
    "kerberos",
    "kshs",
    "mac",
    "mauth",
    "mutual",
    "mws",
    "negotiate",
    "ntlm",
    "obs",
    "oss",
    "qbox",
    "qiniu",
    "sharedkey",
    "sharedkeylite",
    "signature",
    "ucloud",
    "vapid",
];
/// Parts that the names of other such schemes contain or begin with.
const SIGNING_WITHIN: [&str; 5] = ["hmac", "sha256", "sha-256", "sha1", "sha512"];
const SIGNING_FIRST: [&str; 5] = ["aws4-", "goog", "scram-", "signature-", "wsse"];
/// The schemes of most requests, which sign nothing. They are looked for first.
const USUAL: [&str; 2] = ["bearer", "basic"];
/// Schemes that identify no caller without the credentials after them.
const SCHEMES: [&str; 8] = ["apikey", "basic", "bearer", "digest", "dpop", "key", "oauth", "token"];

/// Tells whether a value has content. A value that is empty, or a scheme without its credentials, has none.
fn has_content(value: &HeaderValue) -> bool {
    let value = value.as_bytes().trim_ascii();
    !value.is_empty() && !SCHEMES.iter().any(|scheme| value.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// Tells whether an `Authorization` is made anew for each request, so that a retry has a different one.
fn signs_each_request(value: &HeaderValue) -> bool {
    let value = value.as_bytes().trim_ascii_start();
    let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t' | b',')).unwrap_or(value.len());
    let Ok(scheme) = std::str::from_utf8(&value[..end]) else { return false };
    // A bare token without a scheme may have any form.
    if end == value.len() || scheme.len() > 32 {
        return false;
    }
    if USUAL.iter().any(|usual| scheme.eq_ignore_ascii_case(usual)) {
        return false;
    }
    let scheme = scheme.to_ascii_lowercase();
    SIGNING.contains(&&*scheme)
        || SIGNING_WITHIN.iter().any(|part| scheme.contains(part))
        || SIGNING_FIRST.iter().any(|first| scheme.starts_with(first))
        // `OAuth` also precedes tokens that stay the same.
        || (scheme == "oauth" && memmem::find(&value[end..], b"oauth_").is_some())
}

impl fmt::Debug for Scope {
    /// Hides the scope, because it holds credentials that must never be printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Scope(anonymous)" } else { "Scope(…)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_have_different_scopes() {
        let one = Scope::of([("authorization", vec![&b"Bearer a"[..]])]);
        let other = Scope::of([("authorization", vec![&b"Bearer b"[..]])]);
        let twice = Scope::of([("authorization", vec![&b"Bearer a"[..], &b"Bearer a"[..]])]);
        assert!(one != other && one != twice);
        assert_eq!(Scope::of([("authorization", Vec::<&[u8]>::new())]), Scope::anonymous());
    }

    fn caller(headers: &HeaderMap) -> CallerParts<'_> {
        CallerParts { headers, certificate: None, path: "/v1/charges" }
    }

    #[test]
    fn only_the_named_headers_identify_callers() {
        let tenant = HeaderName::from_static("x-tenant");
        let parts = [ScopePart::Header(AUTHORIZATION), ScopePart::Header(tenant)];
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        assert_eq!(
            Scope::of_request(&parts, caller(&headers)),
            (Scope::anonymous(), CallerIdentity::Anonymous)
        );
        headers.append("x-tenant", HeaderValue::from_static("b"));
        headers.append("authorization", HeaderValue::from_static("Bearer a"));
        headers.append("x-tenant", HeaderValue::from_static("c"));
        let expected =
            Scope::of([("authorization", vec![&b"Bearer a"[..]]), ("x-tenant", vec![&b"b"[..], &b"c"[..]])]);
        assert_eq!(Scope::of_request(&parts, caller(&headers)), (expected, CallerIdentity::Identified));
    }

    #[test]
    fn a_path_is_folded_and_identifies_no_caller() {
        let (parts, headers) = ([ScopePart::Path], HeaderMap::new());
        let of = |path| Scope::of_request(&parts, CallerParts { headers: &headers, certificate: None, path });
        assert_eq!(of("/v1/charges"), of("/V1//ch%61rges/"));
        assert_ne!(of("/v1/charges"), of("/v1/refunds"));
        assert_eq!(of("/v1/charges").1, CallerIdentity::Anonymous);
    }

    #[test]
    fn a_certificate_identifies_callers() {
        let (parts, headers) = ([ScopePart::ClientCertificate, ScopePart::Path], HeaderMap::new());
        let of = |certificate| Scope::of_request(&parts, CallerParts { certificate, ..caller(&headers) });
        assert_ne!(of(Some(b"one")), of(Some(b"two")));
        assert_eq!((of(Some(b"one")).1, of(None).1), (CallerIdentity::Identified, CallerIdentity::Anonymous));
    }

    /// An account does not prove the caller's identity, because other clients can send it too.
    #[test]
    fn beside_a_signature_only_a_credential_identifies_a_caller() {
        let account = HeaderName::from_static("stripe-account");
        let parts = [ScopePart::Header(AUTHORIZATION), ScopePart::Header(account.clone())];
        let mut headers = HeaderMap::new();
        headers.insert(account, HeaderValue::from_static("acct_1"));
        assert_eq!(Scope::of_request(&parts, caller(&headers)).1, CallerIdentity::Identified);
        headers.append(AUTHORIZATION, HeaderValue::from_static("AWS4-HMAC-SHA256 Signature=00"));
        assert_eq!(Scope::of_request(&parts, caller(&headers)).1, CallerIdentity::SignedPerRequest);
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert_eq!(Scope::of_request(&parts, caller(&headers)).1, CallerIdentity::Identified);
    }

    #[test]
    fn a_signature_of_the_request_identifies_no_caller() {
        let key = HeaderName::from_static("x-api-key");
        let parts = [ScopePart::Header(AUTHORIZATION), ScopePart::Header(key.clone())];
        let of = |authorization: &str, api_key: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, authorization.parse().expect("a value"));
            headers.extend(api_key.map(|value| (key.clone(), HeaderValue::from_static(value))));
            Scope::of_request(&parts, caller(&headers))
        };
        for signing in [
            "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu/s3/aws4_request, Signature=00ff",
            "AWS4-ECDSA-P256-SHA256 Credential=AKIA, Signature=00ff",
            "AWS AKIA:c2ln",
            "OAuth oauth_nonce=\"1\"",
            "digest username=\"a\", nonce=\"b\"",
            "Signature keyId=\"a\"",
            "Hawk id=\"a\"",
            "Negotiate YII=",
            "NTLM TlRM",
            "GOOG4-RSA-SHA256 Credential=a",
            "SharedKey account:c2ln",
            "EG1-HMAC-SHA256 client_token=a",
        ] {
            assert_eq!(
                of(signing, None),
                (Scope::anonymous(), CallerIdentity::SignedPerRequest),
                "{signing}"
            );
            let other = signing.replace("00ff", "00aa").replace("YII", "ZII");
            assert_eq!(of(signing, Some("k")), of(&other, Some("k")), "{signing}");
            assert_eq!(of(signing, Some("k")).1, CallerIdentity::Identified, "{signing}");
        }
        for telling in
            ["Bearer abc", "Basic YTpi", "DPoP eyJ", "sk_test_hmac", "Token token=\"a\"", "ApiKey x"]
        {
            assert_eq!(of(telling, None).1, CallerIdentity::Identified, "{telling}");
        }
    }
}
