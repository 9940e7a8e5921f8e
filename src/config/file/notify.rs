//! The webhook for unknown outcomes as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The webhook that is told of each new unknown outcome.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a table like { url = \"https://hooks.example.com/oncegate\", secret_env = \"ONCEGATE_NOTIFY_SECRET\" }"
)]
#[schemars(extend("required" = ["url", "secret_env"]))]
pub(in crate::config) struct Notify {
    /// `http://` or `https://` address that receives a CloudEvent by POST. No part of it but scheme, host and
    /// port is ever printed.
    pub url: Option<String>,
    /// Environment variable that holds the secret of the signatures, as Standard Webhooks writes it: `whsec_`
    /// and 24 to 64 bytes in base64.
    pub secret_env: Option<String>,
}
