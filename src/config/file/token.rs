//! A token of the admin listener as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bearer token for `/v1`, with a name and a role.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a table like { name = \"ops-1\", env = \"OPS_1_TOKEN\", role = \"settle\" }"
)]
#[schemars(extend("required" = ["name", "env", "role"]))]
pub(in crate::config) struct AdminToken {
    /// Unique name of the token, which audit lines carry: 1 to 64 letters, digits, `-`, `_` and `.`.
    pub name: Option<String>,
    /// Environment variable that holds the token.
    pub env: Option<String>,
    /// The actions that the token permits: `read` looks at records, `settle` also changes them and sees the
    /// bodies of stored responses.
    // This is a text and not an enum, because the message about an unknown variant repeats the value, which
    // may be the token itself.
    #[schemars(extend("enum" = ["read", "settle"]))]
    pub role: Option<String>,
}
