//! The receiver of traces as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The receiver of traces, in a build with the feature `otel`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { endpoint = \"http://127.0.0.1:4318\" }")]
#[schemars(extend("required" = ["endpoint"]))]
pub(in crate::config) struct Otel {
    /// `http://` or `https://` address of a receiver of OTLP over HTTP. Spans go to `/v1/traces` below it.
    /// The usual variables set the rest: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`.
    pub endpoint: Option<String>,
}
