//! Names of the headers that the gateway knows, by what it does with them: headers that it adds to a
//! response, headers of one connection, headers that it does not believe, and headers that are not replayed.

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, FORWARDED, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, RETRY_AFTER, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
    WWW_AUTHENTICATE,
};

/// The key of an operation, unless a route reads another place.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Name of the execution that a request belongs to: `<record id>:<n>`.
pub const IDEMPOTENCY_EXECUTION: HeaderName = HeaderName::from_static("idempotency-execution");
/// `conflict`, on an upstream's response: the marker of this execution was there already, so the upstream
/// rolled its transaction back.
pub const IDEMPOTENCY_MARKER: HeaderName = HeaderName::from_static("idempotency-marker");
/// `true` on every response that is not the first one, because it was stored before.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// `false` on a response that could not be stored and may differ from later ones.
pub const IDEMPOTENCY_STORED: HeaderName = HeaderName::from_static("idempotency-stored");
/// `released` or `unknown`, on an upstream's response that is not the stored response.
pub const IDEMPOTENCY_OUTCOME: HeaderName = HeaderName::from_static("idempotency-outcome");

/// `yes`, `no` or `unknown`, on the gateway's own answer: whether the requested operation was executed.
pub const IDEMPOTENCY_EXECUTED: HeaderName = HeaderName::from_static("idempotency-executed");
/// The id of the record that a response is about.
pub const IDEMPOTENCY_RECORD: HeaderName = HeaderName::from_static("idempotency-record");
/// Time at which the stored response is no longer replayed, as an HTTP date.
pub const IDEMPOTENCY_EXPIRES: HeaderName = HeaderName::from_static("idempotency-expires");
/// `false` on the response to a request that carries a key although no route protects it.
pub const IDEMPOTENCY_PROTECTED: HeaderName = HeaderName::from_static("idempotency-protected");
/// The record of an earlier operation that looks like this one.
pub const IDEMPOTENCY_POSSIBLE_DUPLICATE: HeaderName =
    HeaderName::from_static("idempotency-possible-duplicate");

/// `true` or `false`: whether Stripe's clients are to repeat the request automatically.
pub const STRIPE_SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
/// `true` or `false`: whether other clients are to repeat the request automatically.
pub const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Response headers that only the gateway may set, even if the upstream sent them.
pub static GATEWAY_ONLY: [HeaderName; 8] = [
    IDEMPOTENT_REPLAYED,
    IDEMPOTENCY_STORED,
    IDEMPOTENCY_OUTCOME,
    IDEMPOTENCY_EXECUTED,
    IDEMPOTENCY_RECORD,
    IDEMPOTENCY_EXPIRES,
    IDEMPOTENCY_PROTECTED,
    IDEMPOTENCY_POSSIBLE_DUPLICATE,
];

/// Headers that a replay drops unless the route keeps them, because they were meant for the first caller's
/// session or for one exchange.
pub static NOT_REPLAYED: [HeaderName; 7] = [
    SET_COOKIE,
    WWW_AUTHENTICATE,
    HeaderName::from_static("authentication-info"),
    RETRY_AFTER,
    HeaderName::from_static("server-timing"),
    HeaderName::from_static("traceresponse"),
    HeaderName::from_static("clear-site-data"),
];
/// Prefixes of the names of further such headers.
pub const NOT_REPLAYED_FAMILIES: [&str; 2] = ["ratelimit", "x-ratelimit-"];

/// Tells whether a replay drops this header unless the route keeps it.
#[must_use]
pub fn is_not_replayed(name: &HeaderName) -> bool {
    NOT_REPLAYED.contains(name) || NOT_REPLAYED_FAMILIES.iter().any(|first| name.as_str().starts_with(first))
}

/// Headers that make many servers use another method than the request line has.
pub static METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Headers of a single connection (RFC 9110, section 7.6.1).
pub static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Tells whether a header is one of [`HOP_BY_HOP`]. The length alone says no for most headers.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(name.as_str().len(), 2 | 7 | 10 | 16..=19) && HOP_BY_HOP.contains(name)
}

/// The addresses that a request passed, with the client first.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The host that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The scheme that the client used: `http` or `https`.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The trace that a request belongs to (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The position of a request in that trace, in forms of several tracing systems.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Headers that are not accepted from any client. The gateway itself answers an expectation, because it reads
/// the body.
pub static NEVER_BELIEVED: [HeaderName; 2] = [EXPECT, IDEMPOTENCY_EXECUTION];

/// Headers about the origin of a request, and about its target before it was forwarded. They are believed
/// from trusted proxies, and otherwise written anew or deleted. To some servers, the last two name another
/// path than the request line.
pub static FORWARDING: [HeaderName; 6] = [
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// Headers to which a gateway adds its own entry, or that it sets if they are missing, and the one that goes
/// with the trace.
pub static ADDED: [HeaderName; 3] = [VIA, TRACEPARENT, TRACESTATE];

/// Headers that say how a request is to be read.
static MEANING: [HeaderName; 2] = [CONTENT_TYPE, CONTENT_ENCODING];

/// Tells whether a name differs only in `_` and `-` from a name that only a gateway may send, that says how a
/// request is read, or that is among `others`. Many servers treat both names as equal.
#[must_use]
pub fn is_mimic<'n>(name: &HeaderName, mut others: impl Iterator<Item = &'n str>) -> bool {
    let name = name.as_str();
    let is_like = |own: &str| own.len() == name.len() && own != name && dashed(own).eq(dashed(name));
    let known =
        NEVER_BELIEVED.iter().chain(&FORWARDING).chain(&ADDED).chain(&METHOD_OVERRIDES).chain(&MEANING);
    (name.contains('_') && known.map(HeaderName::as_str).any(is_like)) || others.any(is_like)
}

/// Tells whether only the gateway may send this header in a response: a name of [`GATEWAY_ONLY`], also with
/// `_` for `-`.
#[must_use]
pub fn is_gateway_only(name: &HeaderName) -> bool {
    name.as_str().starts_with("idempot")
        && GATEWAY_ONLY.iter().any(|own| dashed(own.as_str()).eq(dashed(name.as_str())))
}

/// Returns the bytes of a name with `-` for `_`, because many servers treat both as equal.
fn dashed(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| if byte == b'_' { b'-' } else { byte })
}
