//! The meaning of the upstream's answers as it is written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use crate::protocol::{Outcomes as Checked, StatusClass};

/// Meaning of the upstream's statuses. Any other final status is stored and replayed. A list given here
/// replaces the default one. A status counts before its class.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Outcomes {
    /// Statuses that say that the upstream did not act: the key is free again. "2xx", "4xx" and "5xx" stand
    /// for all statuses of a class.
    pub release: Vec<StatusText>,
    /// Statuses, and classes of them, that do not say whether the upstream acted.
    pub unknown: Vec<StatusText>,
}

impl Default for Outcomes {
    fn default() -> Self {
        let numbers = |statuses: &[u16]| statuses.iter().map(|s| StatusText::Number(i64::from(*s))).collect();
        Self { release: numbers(&Checked::DEFAULT_RELEASE), unknown: numbers(&Checked::DEFAULT_UNKNOWN) }
    }
}

/// A header by which the upstream says that it did not act.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { header = \"x-executed\", value = \"no\" }")]
#[schemars(extend("required" = ["header", "value"]))]
pub(in crate::config) struct ReleaseWhen {
    /// Header of the upstream's answer.
    pub header: Option<String>,
    /// Value that each line of this header must have, letter by letter.
    pub value: Option<String>,
}

/// A status, or a class of statuses, before it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(in crate::config) enum StatusText {
    /// One status.
    Number(i64),
    /// The name of a class.
    Class(String),
}

impl<'de> Deserialize<'de> for StatusText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number like 503, or \"2xx\", \"4xx\" or \"5xx\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<StatusText, E> {
        Ok(StatusText::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusText, E> {
        Ok(StatusText::Class(text.to_owned()))
    }
}

impl JsonSchema for StatusText {
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let classes = StatusClass::ALL.map(StatusClass::name);
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 200, "maximum": 599 },
                { "type": "string", "enum": classes },
            ]
        })
    }
}
