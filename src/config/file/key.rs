//! The place of the key, and its way to the upstream, as they are written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The place of the idempotency key in a request, and its way to the upstream.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { header = \"Idempotency-Key\" }")]
pub(in crate::config) struct Key {
    /// Request header that carries the key. It is "Idempotency-Key" if no other place is named.
    pub header: Option<String>,
    /// JSON pointer of the member of the body that is the key, such as "/idempotency_key", or an array of
    /// pointers to members that are the key together. The body is JSON or a form.
    pub json: Option<MembersText>,
    /// Places of which the first one that a request has is the place of its key:
    /// `[{ header = "X-Event-Id" }, { json = "/id" }]`.
    pub first: Option<Vec<Place>>,
    /// True to refuse a request without a key; otherwise it passes unprotected.
    pub required: bool,
    /// Form in which the key is sent to the upstream: "bare", "quoted" as a string of RFC 8941, "as-sent", or
    /// "none" to send no header with it.
    pub forward: Forward,
    /// Request header in which the key is sent to the upstream. It replaces a header of this name that the
    /// client sent. The default is the header that carries the key, or else "Idempotency-Key".
    pub forward_as: Option<String>,
}

/// One of several places of a key.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table like { json = \"/id\" }")]
pub(in crate::config) struct Place {
    /// Request header that carries the key.
    pub header: Option<String>,
    /// JSON pointer of the member of the body that is the key, or an array of pointers.
    pub json: Option<MembersText>,
}

/// The form in which a key is sent to the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Forward {
    #[default]
    Bare,
    AsSent,
    Quoted,
    None,
}

/// One JSON pointer, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(in crate::config) enum MembersText {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for MembersText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = MembersText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON pointer like \"/idempotency_key\", or an array of JSON pointers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<MembersText, E> {
        Ok(MembersText::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<MembersText, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(MembersText::Several(texts))
    }
}

impl JsonSchema for MembersText {
    fn schema_name() -> Cow<'static, str> {
        "Members".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            ]
        })
    }
}
