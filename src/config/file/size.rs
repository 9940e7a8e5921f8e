//! A size as it is written: text with a unit, or plain bytes as a number.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A size before it is checked.
#[derive(Debug)]
pub(in crate::config) struct SizeText(pub String);

impl From<&str> for SizeText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Serialize for SizeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = SizeText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64KiB\" or a whole number of bytes")
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<SizeText, E> {
        Ok(SizeText(bytes.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SizeText, E> {
        Ok(SizeText(text.to_owned()))
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^[0-9]+ *([KMGkmg]i?)?[Bb]?$",
            "minimum": 0,
            "examples": ["64KiB", "10MB", 65536]
        })
    }
}
