//! The meaning that HTTP, proxies, browsers and the gateway give to a header, by its name. A header that has
//! one carries no key.

use http::HeaderName;

use crate::protocol::credential;

use super::names::{
    ADDED, FORWARDING, GATEWAY_ONLY, HOP_BY_HOP, METHOD_OVERRIDES, NEVER_BELIEVED, is_mimic, is_not_replayed,
};

/// A kind of headers that cannot carry a client's key.
struct Kind {
    /// Meaning of the headers of this kind.
    means: &'static str,
    names: &'static [&'static str],
    /// Prefixes of the names of further headers of this kind.
    families: &'static [&'static str],
}

const KINDS: [Kind; 8] = [
    Kind {
        means: "belongs to one connection",
        names: &["alt-used", "cdn-loop", "early-data", "http2-settings", "max-forwards", "priority"],
        families: &["proxy-"],
    },
    Kind {
        means: "says where a request comes from or goes to",
        names: &[
            "cf-connecting-ip",
            "client-ip",
            "fastly-client-ip",
            "forwarded-for",
            "front-end-https",
            "host",
            "true-client-ip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-host",
            "x-real-ip",
        ],
        families: &["x-envoy-", "x-forwarded", "x-original-", "x-rewrite-"],
    },
    Kind {
        means: "is said by the gateway itself",
        names: &["idempotency-distinct", "idempotency-marker"],
        families: &["idempotent-"],
    },
    Kind {
        means: "traces requests, each attempt anew",
        names: &[
            "b3",
            "baggage",
            "correlation-context",
            "elastic-apm-traceparent",
            "grpc-trace-bin",
            "sentry-trace",
            "traceresponse",
            "tracestate",
            "uber-trace-id",
            "x-amzn-trace-id",
            "x-cloud-trace-context",
        ],
        families: &["x-b3-", "x-datadog-", "x-ot-span-"],
    },
    Kind {
        means: "is a time, and two requests of one second share it",
        names: &[
            "age",
            "date",
            "expires",
            "last-modified",
            "repeatability-first-sent",
            "retry-after",
            "x-amz-date",
        ],
        families: &[],
    },
    Kind {
        means: "is about caches, conditions or ranges",
        names: &["cache-control", "etag", "pragma", "range", "vary", "warning"],
        families: &["if-"],
    },
    Kind {
        means: "describes the body, or the answer that is wanted",
        names: &["prefer", "digest", "want-digest", "mime-version", "transfer-coding"],
        families: &["accept", "content-", "want-content-", "want-repr-", "repr-"],
    },
    Kind {
        means: "is set by browsers and libraries for all their requests",
        names: &[
            "dnt",
            "from",
            "location",
            "origin",
            "referer",
            "save-data",
            "server",
            "upgrade-insecure-requests",
            "user-agent",
            "x-requested-with",
        ],
        families: &["access-control-", "sec-"],
    },
];

/// Headers by which an answer steers a client or a proxy, beside those that have a meaning in a request.
const STEERING: [&str; 19] = [
    "allow",
    "alt-svc",
    "document-policy",
    "expect-ct",
    "grpc-message",
    "grpc-status",
    "integrity-policy",
    "link",
    "nel",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie2",
    "set-login",
    "sourcemap",
    "status",
    "timing-allow-origin",
    "x-sendfile",
];

/// Prefixes of the names of further such headers.
const STEERING_FAMILIES: [&str; 12] = [
    "cdn-",
    "cross-origin-",
    "permissions-",
    "public-key-pins",
    "referrer-",
    "strict-transport-",
    "surrogate-",
    "x-accel-",
    "x-content-",
    "x-frame-",
    "x-lighttpd-",
    "x-reproxy-",
];

/// Tells whether clients, or proxies on the way to them, obey a header of this name in an answer.
#[must_use]
pub fn steers_clients(name: &HeaderName) -> bool {
    let dashed = name.as_str().replace('_', "-");
    STEERING.contains(&dashed.as_str())
        || STEERING_FAMILIES.iter().any(|first| dashed.starts_with(first))
        || HeaderName::try_from(dashed).is_ok_and(|name| is_not_replayed(&name))
}

/// Returns the meaning of a header of this name, or of a name that differs in `_` and `-` only. Returns
/// `None` for a header that may carry a key.
pub fn meaning(name: &HeaderName) -> Option<&'static str> {
    let dashed = name.as_str().replace('_', "-");
    let standard = HeaderName::try_from(dashed.as_str()).unwrap_or_else(|_| name.clone());
    if HOP_BY_HOP.contains(&standard) {
        return Some(KINDS[0].means);
    }
    if FORWARDING.contains(&standard) || ADDED.contains(&standard) || is_mimic(name, std::iter::empty()) {
        return Some(KINDS[1].means);
    }
    if NEVER_BELIEVED.contains(&standard) || GATEWAY_ONLY.contains(&standard) {
        return Some(KINDS[2].means);
    }
    if METHOD_OVERRIDES.contains(&standard) {
        return Some("tells servers another method");
    }
    if credential::is_credential(&standard) {
        return Some("proves who asks, and all requests of a caller share it");
    }
    let is_one = |kind: &&Kind| {
        kind.names.contains(&dashed.as_str()) || kind.families.iter().any(|first| dashed.starts_with(first))
    };
    KINDS.iter().find(is_one).map(|kind| kind.means)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_carries_no_key() {
        for name in [
            "connection",
            "keep-alive",
            "keep_alive",
            "te",
            "trailer",
            "transfer-encoding",
            "transfer_encoding",
            "upgrade",
            "proxy-connection",
            "proxy-authorization",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded-port",
            "forwarded",
            "x-real-ip",
            "via",
            "x-original-url",
            "host",
            "expect",
            "idempotency-execution",
            "idempotency-outcome",
            "idempotency-stored",
            "idempotency_stored",
            "idempotency-record",
            "idempotent-replayed",
            "traceparent",
            "tracestate",
            "b3",
            "x-b3-traceid",
            "date",
            "cookie",
            "set-cookie",
            "authorization",
            "x-api-key",
            "api_key",
            "x-auth-token",
            "cache-control",
            "pragma",
            "if-match",
            "if-none-match",
            "range",
            "content-length",
            "content-type",
            "content_type",
            "content-digest",
            "accept",
            "accept-language",
            "user-agent",
            "origin",
            "referer",
            "sec-fetch-mode",
            "x-http-method-override",
            "access-control-request-headers",
        ] {
            assert!(meaning(&HeaderName::from_static(name)).is_some(), "{name} is taken for a key's");
        }
    }

    #[test]
    fn what_apis_name_their_keys_is_free() {
        for name in [
            "idempotency-key",
            "x-idempotency-key",
            "idempotency_key",
            "x-request-id",
            "x-request-key",
            "request-id",
            "x-correlation-id",
            "idempotency-id",
            "idempotency-token",
            "x-idempotency-token",
            "paypal-request-id",
            "repeatability-request-id",
            "x-transaction-id",
            "x-event-id",
            "webhook-id",
        ] {
            assert_eq!(meaning(&HeaderName::from_static(name)), None, "{name}");
        }
    }
}
