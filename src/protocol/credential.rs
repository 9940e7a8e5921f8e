//! Request headers that prove the caller's identity, as far as their names show it.

use http::HeaderName;

/// Words that mark such a header, at any position in its name.
const CREDENTIAL_WORDS: [&str; 17] = [
    "assertion",
    "cert",
    "certificate",
    "cookie",
    "credential",
    "credentials",
    "dpop",
    "hmac",
    "jwt",
    "oauth",
    "oauth2",
    "passwd",
    "password",
    "secret",
    "session",
    "sig",
    "signature",
];

/// Words before `-key` in the name of a header that grants access.
const KEY_PREFIXES: [&str; 10] = [
    "access",
    "api",
    "app",
    "application",
    "auth",
    "client",
    "license",
    "secret",
    "security",
    "subscription",
];

/// Words before `-key` or `-token` in the name of a header that does not identify a caller.
const NOT_CREDENTIALS: [&str; 18] = [
    "cache",
    "continuation",
    "correlation",
    "csrf",
    "dedup",
    "deduplication",
    "event",
    "idempotency",
    "message",
    "order",
    "page",
    "partition",
    "request",
    "routing",
    "sort",
    "trace",
    "transaction",
    "xsrf",
];

/// Tells whether a header of this name proves the caller's identity: `authorization`, `cookie`, `x-api-key`,
/// `x-auth-token`, `x-signature`, a certificate that a proxy passes on.
pub fn is_credential(name: &HeaderName) -> bool {
    let words = words(name);
    let auth =
        |word: &&str| word.starts_with("auth") && !word.starts_with("author") || is_authorization(word);
    let before = |last: &str| match words.as_slice() {
        [.., before, word] if *word == last => Some(*before),
        _ => None,
    };
    words.iter().any(|word| CREDENTIAL_WORDS.contains(word) || auth(word))
        || words.last().is_some_and(|word| word.ends_with("apikey") || *word == "token" && words.len() == 1)
        || before("key").is_some_and(|before| KEY_PREFIXES.contains(&before))
        || before("token").is_some_and(|before| !NOT_CREDENTIALS.contains(&before))
}

/// Tells whether a header of this name may prove the caller's identity: `x-merchant-key` is a secret in one
/// API and a name in another.
pub fn may_be_credential(name: &HeaderName) -> bool {
    let words = words(name);
    let keyed = matches!(words.as_slice(), [.., before, "key"] if !NOT_CREDENTIALS.contains(before));
    keyed || is_credential(name)
}

fn is_authorization(word: &str) -> bool {
    word.starts_with("authoriz") || word.starts_with("authoris")
}

/// Returns the words of a name, without the `x-` of names that are not standardized.
fn words(name: &HeaderName) -> Vec<&str> {
    name.as_str().split(['-', '_', '.']).filter(|word| !word.is_empty() && *word != "x").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&'static str], expected: bool, predicate: fn(&HeaderName) -> bool) {
        for name in names {
            assert_eq!(predicate(&HeaderName::from_static(name)), expected, "{name}");
        }
    }

    #[test]
    fn headers_of_usual_apis_are_credentials() {
        let proofs = [
            "authorization",
            "proxy-authorization",
            "x-authorization",
            "x-amz-security-token",
            "x-api-key",
            "api-key",
            "apikey",
            "x_api_key",
            "x-apikey",
            "ocp-apim-subscription-key",
            "x-auth-token",
            "x-authentication",
            "x-goog-iap-jwt-assertion",
            "cf-access-jwt-assertion",
            "cookie",
            "token",
            "x-access-token",
            "private-token",
            "x-shopify-access-token",
            "x-client-secret",
            "x-hub-signature",
            "dpop",
            "x-session-id",
            "x-forwarded-client-cert",
            "client-cert",
            "ssl-client-verify-cert",
        ];
        all(&proofs, true, is_credential);
        all(&proofs, true, may_be_credential);
    }

    #[test]
    fn an_unknown_key_may_be_a_credential() {
        let names = ["x-merchant-key", "x-partner-key", "x-public-key"];
        all(&names, true, may_be_credential);
        all(&names, false, is_credential);
    }

    #[test]
    fn other_names_and_keys_are_no_credentials() {
        let names = [
            "x-merchant",
            "stripe-account",
            "x-tenant-id",
            "host",
            "x-author",
            "x-authority",
            "idempotency-key",
            "x-idempotency-key",
            "x-request-key",
            "x-transaction-key",
            "x-partition-key",
            "x-page-token",
            "x-csrf-token",
            "idempotency-token",
            "x-request-id",
            "user-agent",
            "x-design",
        ];
        all(&names, false, may_be_credential);
        all(&names, false, is_credential);
    }
}
