//! An OpenAPI document: read from JSON or YAML, and written in the same format with its members in order.

use std::ffi::OsStr;
use std::path::Path;

use yaml_serde::Value;

use super::quoting;

/// A document of OpenAPI 3.0 or 3.1.
pub struct Document {
    /// The document, which is an object.
    pub root: Value,
    /// True if comments were lost.
    pub has_comments: bool,
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
}

impl Document {
    /// Reads a document. The name of its file decides the format, or else its first character.
    ///
    /// # Errors
    /// A sentence that says why this is no document that can be annotated.
    pub fn parse(text: &str, file: &Path) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let format = match file.extension().and_then(OsStr::to_str) {
            Some("json") => Format::Json,
            Some("yaml" | "yml") => Format::Yaml,
            _ if text.trim_start().starts_with('{') => Format::Json,
            _ => Format::Yaml,
        };
        let root = match format {
            Format::Json => serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?,
            Format::Yaml => yaml(text)?,
        };
        check(&root)?;
        let has_comments = format == Format::Yaml && text.lines().any(is_comment);
        Ok(Self { root, has_comments, format })
    }

    /// Returns the document as text.
    ///
    /// # Errors
    /// A sentence that says which value the format cannot hold.
    pub fn text(&self) -> Result<String, String> {
        match self.format {
            Format::Json => serde_json::to_string_pretty(&self.root)
                .map(|text| text + "\n")
                .map_err(|error| format!("oncegate: the result cannot be written as JSON: {error}")),
            Format::Yaml => quoting::to_yaml(&self.root)
                .map_err(|error| format!("oncegate: the result cannot be written as YAML: {error}")),
        }
    }
}

/// Reads YAML. What an alias or a merge key stands for is written out.
fn yaml(text: &str) -> Result<Value, String> {
    let mut root: Value = yaml_serde::from_str(text).map_err(|error| format!("is not YAML: {error}"))?;
    root.apply_merge().map_err(|error| format!("has a merge key that cannot be resolved: {error}"))?;
    Ok(root)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#') || line.contains(" # ")
}

/// Checks that a value is a document of a known version.
fn check(root: &Value) -> Result<(), String> {
    let Some(members) = root.as_mapping() else {
        return Err("is not an OpenAPI document: the whole is no object".into());
    };
    if members.contains_key("swagger") {
        return Err("is a document of Swagger 2.0; convert it to OpenAPI 3.0 or 3.1 first".into());
    }
    let version = match members.get("openapi") {
        Some(Value::String(version)) => version.clone(),
        Some(Value::Number(version)) => version.to_string(),
        _ => return Err("is not an OpenAPI document: it has no `openapi` with a version".into()),
    };
    let known = ["3.0", "3.1"].iter().any(|known| {
        let rest = version.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
    });
    match known {
        true => Ok(()),
        false => Err(format!("is a document of OpenAPI {version:?}; allowed: 3.0 and 3.1")),
    }
}
