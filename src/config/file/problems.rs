//! A `[problems.NAME]` table as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A shape for the problems of routes. What it leaves out is as in the usual shape.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Problems {
    /// Statuses by slug, like { payload-mismatch = 409 }. A slug that always stands for an executed operation
    /// may have a status of 2xx.
    pub status: BTreeMap<String, i64>,
    /// Values of `{code}` by slug. The slug itself is the default.
    pub codes: BTreeMap<String, String>,
    /// Values of `{type}` by slug. The `type` of the usual shape is the default.
    pub types: BTreeMap<String, String>,
    /// Content type of the bodies: JSON, XML, a form or plain text, in UTF-8. A template is
    /// `application/json` by default.
    pub content_type: Option<String>,
    /// Headers of the request that a problem repeats.
    pub echo: Vec<String>,
    /// Headers of the API's own with a fixed value, by slug, like { in-flight = { transient-error = "true" } }.
    pub headers: BTreeMap<String, BTreeMap<String, String>>,
    /// Body of the problems, with the placeholders `{status}`, `{slug}`, `{code}`, `{type}`, `{title}`,
    /// `{detail}`, `{executed}`, `{retry}`, `{record}` and `{original_status}`. In JSON, a placeholder
    /// without quotes becomes a whole value.
    pub body: Option<String>,
    /// Bodies by slug, where they differ from `body`.
    pub bodies: BTreeMap<String, String>,
}
