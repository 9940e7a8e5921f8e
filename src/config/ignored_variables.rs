//! Environment variables that look like a configuration value but set none: `ONCEGATE_SERVER_LISTEN` with one
//! underscore where there must be two.

use serde_json::Value;

use super::document::Document;
use super::environment::{Environment, PREFIX};
use super::warning::Warning;

/// Returns a warning for each variable that has no effect although a similar one would set a value.
///
/// Other variables are ignored: a cluster gives its pods about a dozen of them for a service with the name of
/// this program.
pub(super) fn ignored_variables(
    document: &Document<'_>,
    environment: &Environment,
    schema: &Value,
) -> Vec<Warning> {
    let keys = keys(document, schema);
    let warning = |(variable, _): (&str, &str)| {
        let read = variable.starts_with(PREFIX) || document.names(variable);
        let intended = intended(variable, &keys).filter(|_| !read)?;
        let text = format!("{variable} is read by nothing; {intended}");
        Some(Warning { about: "environment".into(), text })
    };
    environment.iter().filter_map(warning).collect()
}

/// Says which variable was probably meant by one that sets nothing.
pub(super) fn hint(document: &Document<'_>, schema: &Value, variable: &str) -> Option<String> {
    intended(variable, &keys(document, schema))
}

fn intended(variable: &str, keys: &[Vec<String>]) -> Option<String> {
    let letters = letters(variable);
    let rest = letters.strip_prefix("oncegate")?;
    let key = keys.iter().find(|key| self::letters(&key.concat()) == rest)?;
    let intended = format!("{PREFIX}{}", key.join("__").to_ascii_uppercase());
    Some(format!("{intended} sets {}", key.join(".")))
}

/// Reduces a name to the characters that people usually get right.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Returns all keys outside of routes that take a value. Upstreams appear under their names in the file.
fn keys(document: &Document<'_>, schema: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (section, table) in properties(schema) {
        for (key, value) in properties(table) {
            found.push(vec![section.clone(), key.clone()]);
            found.extend(
                properties(value).map(|(inner, _)| vec![section.clone(), key.clone(), inner.clone()]),
            );
        }
    }
    for name in document.names_in("upstreams") {
        let keys = properties(&schema["properties"]["upstreams"]["additionalProperties"]);
        found.extend(keys.map(|(key, _)| vec!["upstreams".into(), name.replace('-', "_"), key.clone()]));
    }
    found
}

fn properties(table: &Value) -> impl Iterator<Item = (&String, &Value)> {
    table["properties"].as_object().into_iter().flatten()
}
