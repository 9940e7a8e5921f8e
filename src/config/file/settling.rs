//! The keys about unknown outcomes as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Policy for an execution with an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OnUnknown {
    Hold,
    Retry,
    Probe,
    Marker,
}

impl OnUnknown {
    /// Returns the name of the policy in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Retry => "retry",
            Self::Probe => "probe",
            Self::Marker => "marker",
        }
    }
}

/// The upstream's own idempotency keys.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { window = \"23h\" }")]
#[schemars(extend("required" = ["window"]))]
pub(in crate::config) struct UpstreamKeys {
    /// Time for which the upstream recognises a key, counted from the first request. After it, an unknown
    /// outcome is held.
    pub window: Option<String>,
    /// Statuses of a repeated execution that leave the outcome unknown, because they may be the upstream's
    /// word about its key.
    pub undecided: Vec<i64>,
}

impl Default for UpstreamKeys {
    fn default() -> Self {
        Self { window: None, undecided: vec![400, 401, 403, 404, 409, 422, 425, 429] }
    }
}

/// The question to the upstream about an unknown outcome: a GET.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { url = \"http://…/charges?key={key}\" }")]
#[schemars(extend("required" = ["url"]))]
pub(in crate::config) struct Probe {
    /// URL of the question. In path and query, `{key}` stands for the idempotency key, `{execution}` for the
    /// `Idempotency-Execution` header, and `{body:/pointer}` for a member of the request's JSON or form body.
    pub url: Option<String>,
    /// Headers of the question, by name.
    pub headers: BTreeMap<String, String>,
    /// Longest wait for the whole answer.
    pub timeout: String,
    /// Time after the execution's deadline before "not executed" is believed, because a search may not yet
    /// find what was just executed.
    pub not_before: String,
    /// Statuses that say that the operation was executed.
    pub executed: Vec<i64>,
    /// Statuses that say that the operation was not executed.
    pub not_executed: Vec<i64>,
    /// A value in the answer's JSON body that decides in place of a 2xx status.
    pub when: Option<When>,
    /// JSON pointer of the operation's response in the answer; "" for the whole body. Without it, the
    /// response stays unknown.
    pub response: Option<String>,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            url: None,
            headers: BTreeMap::new(),
            timeout: "5s".into(),
            not_before: "1m".into(),
            executed: Vec::new(),
            not_executed: Vec::new(),
            when: None,
            response: None,
        }
    }
}

/// A value in an answer that tells whether the operation was executed.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { pointer = \"/status\" }")]
#[schemars(extend("required" = ["pointer"]))]
pub(in crate::config) struct When {
    /// JSON pointer of the value.
    pub pointer: Option<String>,
    /// Values that say that the operation was executed.
    pub executed: Vec<String>,
    /// Values that say that the operation was not executed; "absent" stands for a value that is not there.
    pub not_executed: Vec<String>,
}

/// The table in which the upstream marks its executions, in its own transaction.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { url = \"postgres://HOST/DATABASE\" }")]
#[schemars(extend("required" = ["url"]))]
pub(in crate::config) struct Marker {
    /// URL of the upstream's Postgres: `postgres://HOST/DATABASE`.
    pub url: Option<String>,
    /// Name of the table, with its schema and a point in front if need be.
    pub table: String,
}

impl Default for Marker {
    fn default() -> Self {
        Self { url: None, table: "oncegate_marker".into() }
    }
}

/// The longest times over which the same request may come again.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { client_retries = \"10m\" }")]
pub(in crate::config) struct RetryHorizon {
    /// Time for which clients repeat a request by themselves; none if left out.
    pub client_retries: Option<String>,
    /// Time that a failover on the clients' side may take; none if left out.
    pub failover: Option<String>,
    /// Time after which an operator may send requests again; none if left out.
    pub operator_replay: Option<String>,
}

/// A key that seals what a record keeps of its request.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a table like { id = \"2026-11\", env = \"ONCEGATE_SEAL\" }"
)]
#[schemars(extend("required" = ["id", "env"]))]
pub(in crate::config) struct Seal {
    /// Name of the key, which is stored beside what it seals.
    pub id: Option<String>,
    /// Environment variable that holds the key: 32 bytes in base64.
    pub env: Option<String>,
}
