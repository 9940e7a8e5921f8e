//! One `[[routes]]` entry as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settling::{Marker, OnUnknown, Probe, RetryHorizon, UpstreamKeys};
use super::{Key, Outcomes, ReleaseWhen, ScopeText, SizeText};

/// A protected route.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["name", "path", "upstream"]))]
pub(in crate::config) struct Route {
    /// Name, unique among the routes. Metrics and logs use it.
    pub name: Option<String>,
    /// Path: `/v1/charges`, `/v1/{resource}` for any one segment, `/v1/{*rest}` for any rest.
    pub path: Option<String>,
    /// Methods that are protected.
    pub methods: Vec<String>,
    /// Name of the upstream that receives the requests.
    pub upstream: Option<String>,
    /// Spellings of a path that this route covers: "equivalent" ignores empty and dot segments, a trailing
    /// slash, `;parameters`, escapes of unreserved characters and the case of letters in literal segments;
    /// "exact" ignores escapes of unreserved characters and dot segments only.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Namespace of the keys. Routes of one namespace share their keys.
    pub namespace: String,
    /// The place of the idempotency key in a request, and its way to the upstream.
    pub key: Key,
    /// Parts of a request that tell callers apart: request headers, `{ path = true }` for the path, and
    /// `{ client_certificate = "issuer-subject" }`, which is added if `client_ca` is set. The same key from
    /// two callers names two operations.
    pub scope: Vec<ScopeText>,
    /// Treatment of a keyed request that has none of the scope's parts except the path: "refuse" answers 400,
    /// "one" counts all such callers as the same one.
    pub anonymous: Anonymous,
    /// Parts of a request that make it the same request as another.
    pub fingerprint: Fingerprint,
    /// Places of the labels by which people find a record: "header:x-request-id" for a request header,
    /// "json:/metadata/order_id" for a member of a JSON or form body. At most four. Records, lists and logs show the
    /// values in clear text, cut at 128 bytes. The key, the scope's headers and credentials are refused.
    pub label: Vec<String>,
    /// Time that a response is replayed, counted from completion.
    pub ttl: String,
    /// Time that the key is remembered after that, so that a late retry is refused instead of run; "0s"
    /// forgets a known outcome at once.
    pub tombstone_ttl: String,
    /// Response headers that a replay keeps, of those that it drops by default.
    pub replay_headers: Vec<String>,
    /// Further response headers that a replay drops.
    pub replay_drop: Vec<String>,
    /// Treatment of a duplicate while the first attempt runs.
    pub in_flight: InFlight,
    /// Time that a duplicate waits before it is answered 409.
    pub wait_timeout: String,
    /// Time for which a silent gateway is assumed to be still at work.
    pub lease: String,
    /// Policy for an execution with an unknown outcome: "hold" waits for an operator, "retry" runs it again,
    /// "probe" asks the upstream first, "marker" looks for a row that the upstream writes.
    pub on_unknown: OnUnknown,
    /// The upstream's own idempotency keys; only beside `on_unknown = "retry"`.
    pub upstream_keys: Option<UpstreamKeys>,
    /// True to keep the request, with its credentials, until its operation is settled, so that the gateway
    /// itself can send it again. Needs `[store] seal`.
    pub keep_request: bool,
    /// The question to the upstream; only beside `on_unknown = "probe"`.
    pub probe: Option<Probe>,
    /// The table with the upstream's marks; only beside `on_unknown = "marker"`.
    pub marker: Option<Marker>,
    /// Shape of the problems: "rfc9457", "stripe" for clients of Stripe's API, or the name of a
    /// `[problems.NAME]`.
    pub problems: String,
    /// Answer to the client when the upstream's status leaves the outcome unknown: "pass" passes the
    /// upstream's answer on, "problem" answers `outcome-unknown`. The default is "problem" beside
    /// `problems = "stripe"`, and "pass" otherwise.
    pub unknown_answers: Option<UnknownAnswers>,
    /// Treatment of an attempt while the store does not answer.
    pub on_store_error: OnStoreError,
    /// Confirmation, required with `on_store_error = "bypass"`, that operations may then run twice.
    pub i_accept_duplicates: bool,
    /// Largest response that is kept. A larger one is passed on and recorded without a body.
    pub max_response_body: SizeText,
    /// Meaning of the upstream's statuses.
    pub outcomes: Outcomes,
    /// Headers by which the upstream says that it did not act: the key is free again. One of them is enough,
    /// and it counts before the status.
    pub release_when: Vec<ReleaseWhen>,
    /// Longest times over which the same request may come again. `check` compares them with `ttl` and
    /// `tombstone_ttl`.
    pub retry_horizon: Option<RetryHorizon>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            name: None,
            path: None,
            methods: vec!["POST".into(), "PATCH".into()],
            upstream: None,
            matching: Match::Equivalent,
            namespace: "default".into(),
            key: Key::default(),
            scope: ScopeText::usual(),
            anonymous: Anonymous::Refuse,
            fingerprint: Fingerprint::default(),
            label: Vec::new(),
            ttl: "24h".into(),
            tombstone_ttl: "30d".into(),
            replay_headers: Vec::new(),
            replay_drop: Vec::new(),
            in_flight: InFlight::Wait,
            wait_timeout: "10s".into(),
            lease: "10s".into(),
            on_unknown: OnUnknown::Hold,
            upstream_keys: None,
            keep_request: false,
            probe: None,
            marker: None,
            problems: "rfc9457".into(),
            unknown_answers: None,
            on_store_error: OnStoreError::Reject,
            i_accept_duplicates: false,
            max_response_body: "1MiB".into(),
            outcomes: Outcomes::default(),
            release_when: Vec::new(),
            retry_horizon: None,
        }
    }
}

/// The spellings of a path that count as the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Match {
    Equivalent,
    Exact,
}

/// The treatment of a keyed request if no part of the scope tells its caller apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Anonymous {
    Refuse,
    One,
}

/// The answer to the client when the upstream's status leaves the outcome unknown.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum UnknownAnswers {
    Pass,
    Problem,
}

/// Parts of a request that make it the same request as another, beside the method (with its overrides), the
/// path and the query.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Fingerprint {
    /// Form of the body that counts. "raw": its bytes. "json": its meaning as JSON (RFC 8785). "form": its
    /// meaning as `application/x-www-form-urlencoded`, without the order of members. "multipart": its parts,
    /// without the boundary and the order of different fields. "none": nothing of it; another amount under
    /// the same key is then answered with the first response. A body that is not of the form counts by its
    /// bytes.
    pub body: BodyForm,
    /// Request headers that count. Under "json" and "form" the parameters of the Content-Type do not count,
    /// and under "multipart" its boundary does not.
    pub headers: Vec<String>,
    /// JSON pointers of members that do not count, only beside "json" or "form". The step `*` stands for any
    /// member or element: "/items/*/sent_at". In a form, "/metadata/order" is `metadata[order]`.
    pub ignore: Vec<String>,
    /// JSON pointers of the members that alone count, only beside "json" or "form", and not beside `ignore`.
    /// A request with another value anywhere else is the same request. One that has none of these members
    /// counts whole.
    pub only: Vec<String>,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            body: BodyForm::Raw,
            headers: vec!["content-type".into(), "content-encoding".into()],
            ignore: Vec::new(),
            only: Vec::new(),
        }
    }
}

/// The form of a body that counts.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum BodyForm {
    Raw,
    Json,
    None,
    Form,
    Multipart,
}

/// Treatment of a duplicate while the first attempt runs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum InFlight {
    Wait,
    Reject,
}

/// Treatment of an attempt while the store does not answer.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OnStoreError {
    Reject,
    Bypass,
}
