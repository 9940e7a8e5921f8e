//! One part of a scope as it is written: the name of a header, or a table.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A part of a scope before it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum ScopeText {
    /// A request header.
    Header(String),
    /// `{ path = true }`.
    Path,
    /// `{ client_certificate = "issuer-subject" }`.
    ClientCertificate,
}

impl ScopeText {
    /// Returns the parts that tell callers apart by default: the usual credentials of APIs, and the path.
    pub fn usual() -> Vec<Self> {
        let headers = ["authorization", "x-api-key", "api-key", "stripe-account"];
        headers.map(|name| Self::Header(name.into())).into_iter().chain([Self::Path]).collect()
    }
}

impl Serialize for ScopeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            Self::Header(name) => return serializer.serialize_str(name),
            Self::Path | Self::ClientCertificate => serializer.serialize_map(Some(1))?,
        };
        match self {
            Self::Path => map.serialize_entry("path", &true)?,
            _ => map.serialize_entry("client_certificate", "issuer-subject")?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ScopeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScopeVisitor)
    }
}

struct ScopeVisitor;

impl<'de> Visitor<'de> for ScopeVisitor {
    type Value = ScopeText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a header, { path = true } or { client_certificate = \"issuer-subject\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ScopeText, E> {
        Ok(ScopeText::Header(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScopeText, A::Error> {
        let wrong = |what: &str| A::Error::custom(format!("{what}; allowed: {ALLOWED}"));
        let part = match map.next_key::<String>()?.as_deref() {
            Some("path") if map.next_value::<bool>()? => ScopeText::Path,
            Some("path") => return Err(wrong("path = false says nothing")),
            Some("client_certificate") if map.next_value::<String>()? == "issuer-subject" => {
                ScopeText::ClientCertificate
            }
            Some("client_certificate") => return Err(wrong("unknown part of a certificate")),
            Some(other) => return Err(wrong(&format!("unknown part of a scope `{other}`"))),
            None => return Err(wrong("an empty table is no part of a scope")),
        };
        match map.next_key::<String>()? {
            None => Ok(part),
            Some(_) => Err(wrong("one part of a scope says one thing")),
        }
    }
}

const ALLOWED: &str = "a header's name, { path = true }, { client_certificate = \"issuer-subject\" }";

impl JsonSchema for ScopeText {
    fn schema_name() -> Cow<'static, str> {
        "ScopePart".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let table = |name: &str, value: serde_json::Value| {
            serde_json::json!({
                "type": "object",
                "properties": { name: { "const": value } },
                "required": [name],
                "additionalProperties": false
            })
        };
        json_schema!({
            "anyOf": [
                { "type": "string" },
                table("path", true.into()),
                table("client_certificate", "issuer-subject".into()),
            ]
        })
    }
}
