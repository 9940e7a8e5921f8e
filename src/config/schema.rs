//! The JSON Schema of the configuration file, made from the types that read it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use super::document::{KeyPath, Step};
use super::file::File;

/// Returns the JSON Schema (draft 2020-12) of a configuration file: every key with its meaning, its default
/// and its allowed values. The schema contains no references, so editors need only this document.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(in_one_line).transform(&mut schema);
    schema.to_value()
}

/// Removes `null` from the schema: TOML has no null, and an optional key is absent.
fn without_null(schema: &mut Schema) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    members.retain(|name, value| name != "default" || !value.is_null());
    if let Some(Value::Object(default)) = members.get_mut("default") {
        default.retain(|_, value| !value.is_null());
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            members["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            members.remove("anyOf");
            for (name, value) in only {
                // The description of the key takes precedence over the description of its type.
                members.entry(name).or_insert(value);
            }
        }
    }
}

/// Joins the lines of a description: doc comments are broken at the line width, but a description is one
/// paragraph.
fn in_one_line(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

/// Returns the schema of the key at the end of this path, or null if it is unknown.
pub(super) fn at<'s>(schema: &'s Value, path: &KeyPath) -> &'s Value {
    let mut here = schema;
    for step in &path.0 {
        here = match step {
            Step::Index(_) => &here["items"],
            Step::Key(key) => match &here["properties"][key.as_str()] {
                Value::Null => &here["additionalProperties"],
                property => property,
            },
        };
    }
    here
}

/// The notation of a key's value, as far as the reader of its text needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// Text, used unchanged.
    Text,
    /// A number, boolean or array in TOML.
    Toml,
}

/// Returns the notation of the value of the key at the end of this path.
///
/// # Errors
/// A message that lists the allowed keys, if there is no such key or if it is a whole table.
pub(super) fn notation(schema: &Value, keys: &[String]) -> Result<Notation, String> {
    let mut here = schema;
    for key in keys {
        let next = match &here["properties"][key.as_str()] {
            Value::Null => &here["additionalProperties"],
            property => property,
        };
        if !next.is_object() {
            return Err(format!("there is no key `{key}` here; allowed: {}", names(here)));
        }
        here = next;
    }
    match here["type"].as_str() {
        Some("object") => Err(format!("is a table; set one of its keys: {}", names(here))),
        Some("integer" | "boolean" | "array") => Ok(Notation::Toml),
        _ => Ok(Notation::Text),
    }
}

fn names(table: &Value) -> String {
    match table["properties"].as_object() {
        Some(properties) => {
            let names: Vec<String> = properties.keys().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        }
        // Upstreams and shapes of problems have names given by the operator, and each of them is a table.
        None if table["additionalProperties"].is_object() => "the name of one, then its key".into(),
        None => "none".into(),
    }
}
