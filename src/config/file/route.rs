//! One `[[routes]]` entry as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ScopeText, SizeText};
use crate::protocol::Outcomes as Checked;

/// One protected route.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["name", "path", "upstream"]))]
pub(in crate::config) struct Route {
    /// The name, unique among the routes; metrics and logs use it.
    pub name: Option<String>,
    /// The path: `/v1/charges`, `/v1/{resource}` for any one segment, `/v1/{*rest}` for any rest.
    pub path: Option<String>,
    /// The methods that are protected.
    pub methods: Vec<String>,
    /// The name of the upstream that requests go to.
    pub upstream: Option<String>,
    /// Which spellings of a path are this route's: "equivalent" ignores empty and dot segments, a trailing
    /// slash, `;parameters`, escapes of unreserved characters and the case of letters in literal segments;
    /// "exact" ignores escapes of unreserved characters and dot segments only.
    #[serde(rename = "match")]
    pub matching: Match,
    /// What groups keys: routes of one namespace share theirs.
    pub namespace: String,
    /// Where the idempotency key is found.
    pub key: Key,
    /// What tells callers apart: request headers, `{ path = true }` for the path, and
    /// `{ client_certificate = "issuer-subject" }`, which is added where `client_ca` is set. The same key
    /// from two callers names two operations.
    pub scope: Vec<ScopeText>,
    /// What happens to a keyed request that shows none of the scope's parts but the path: "refuse" answers
    /// 400, "one" counts all such callers as the same one.
    pub anonymous: Anonymous,
    /// What makes two requests the same.
    pub fingerprint: Fingerprint,
    /// How long a response is replayed, counted from completion.
    pub ttl: String,
    /// How long the key is remembered after that, so that a late retry is refused instead of run;
    /// "0s" forgets what is known at once.
    pub tombstone_ttl: String,
    /// Of the response headers that a replay drops by default, those it keeps.
    pub replay_headers: Vec<String>,
    /// Further response headers that a replay drops.
    pub replay_drop: Vec<String>,
    /// What a duplicate does while the first attempt runs.
    pub in_flight: InFlight,
    /// How long a duplicate waits before it is answered 409.
    pub wait_timeout: String,
    /// How long a gateway that fell silent is believed to be still at work.
    pub lease: String,
    /// What may be done about an execution whose outcome is unknown.
    pub on_unknown: OnUnknown,
    /// What a client is told when the upstream's status leaves the outcome unknown: "pass" passes the
    /// upstream's answer on, "problem" answers `outcome-unknown`.
    pub unknown_answers: UnknownAnswers,
    /// What happens while the store does not answer.
    pub on_store_error: OnStoreError,
    /// Says that whoever set `on_store_error = "bypass"` knows that operations may then run twice.
    pub i_accept_duplicates: bool,
    /// The largest response that is kept; a larger one is passed on and remembered without a body.
    pub max_response_body: SizeText,
    /// What the upstream's statuses mean.
    pub outcomes: Outcomes,
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
            ttl: "24h".into(),
            tombstone_ttl: "30d".into(),
            replay_headers: Vec::new(),
            replay_drop: Vec::new(),
            in_flight: InFlight::Wait,
            wait_timeout: "10s".into(),
            lease: "10s".into(),
            on_unknown: OnUnknown::Hold,
            unknown_answers: UnknownAnswers::Pass,
            on_store_error: OnStoreError::Reject,
            i_accept_duplicates: false,
            max_response_body: "1MiB".into(),
            outcomes: Outcomes::default(),
        }
    }
}

/// Where the idempotency key is found.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { header = \"Idempotency-Key\" }")]
pub(in crate::config) struct Key {
    /// The request header that carries it.
    pub header: String,
    /// Whether a request without a key is refused; otherwise it passes unprotected.
    pub required: bool,
}

impl Default for Key {
    fn default() -> Self {
        Self { header: "Idempotency-Key".into(), required: false }
    }
}

/// Which spellings of a path are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Match {
    Equivalent,
    Exact,
}

/// What happens to a keyed request of a caller that nothing tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Anonymous {
    Refuse,
    One,
}

/// What a client is told when the upstream's status leaves the outcome unknown.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum UnknownAnswers {
    Pass,
    Problem,
}

/// What makes two requests the same, beside method (with its overrides), path and query.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Fingerprint {
    /// Whether the bytes of the body count, or its meaning as JSON (RFC 8785).
    pub body: BodyForm,
    /// The request headers that count.
    pub headers: Vec<String>,
    /// JSON pointers of members that do not count; only beside `body = "json"`.
    pub ignore: Vec<String>,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            body: BodyForm::Raw,
            headers: vec!["content-type".into(), "content-encoding".into()],
            ignore: Vec::new(),
        }
    }
}

/// What of a body counts.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum BodyForm {
    Raw,
    Json,
}

/// What a duplicate does while the first attempt runs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum InFlight {
    Wait,
    Reject,
}

/// What may be done about an execution whose outcome is unknown.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OnUnknown {
    Hold,
}

/// What happens while the store does not answer.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OnStoreError {
    Reject,
    Bypass,
}

/// What the upstream's statuses mean; any other final status is stored and replayed. A list given
/// here replaces the default one.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Outcomes {
    /// The statuses that say the upstream did not act: the key is free again.
    pub release: Vec<i64>,
    /// The statuses that do not say whether the upstream acted.
    pub unknown: Vec<i64>,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self {
            release: Checked::DEFAULT_RELEASE.map(i64::from).to_vec(),
            unknown: Checked::DEFAULT_UNKNOWN.map(i64::from).to_vec(),
        }
    }
}
