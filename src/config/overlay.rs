//! Values from the environment: `ONCEGATE__SECTION__KEY` replaces a value outside `[[routes]]`.
//!
//! The names of sections and keys are matched without regard to case. An upstream is found by its name in the
//! file. If no name fits exactly, case and the difference between `-` and `_` are ignored. A name that is not
//! in the file makes a new upstream. The same holds for a shape of problems. The value is text if the key
//! takes text, and TOML otherwise. It is never expanded.

use serde_json::Value;
use toml::de::DeValue;

use super::document::{Document, KeyPath};
use super::environment::{Environment, PREFIX};
use super::error::Place;
use super::ignored_variables::hint;
use super::mistakes::Mistakes;
use super::schema::{Notation, notation};

/// Lays the environment's values over the document.
pub(super) fn overlay<'i>(
    document: &mut Document<'i>,
    environment: &'i Environment,
    schema: &Value,
    mistakes: &Mistakes,
) {
    for (variable, text) in environment.iter() {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if let Err(message) = set(document, schema, variable, name, text) {
            let suggestion = hint(document, schema, variable).map(|suggestion| format!("; {suggestion}"));
            mistakes.add_elsewhere(place(variable), message + &suggestion.unwrap_or_default());
        }
    }
}

/// Names a variable as the place of a value.
fn place(variable: &str) -> Place {
    Place::Override(format!("environment variable {variable}"))
}

fn set<'i>(
    document: &mut Document<'i>,
    schema: &Value,
    variable: &str,
    name: &str,
    text: &'i str,
) -> Result<(), String> {
    let mut keys: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
    if keys[0] == "routes" {
        return Err("routes are set in the file only".into());
    }
    if let [section, name, ..] = keys.as_mut_slice()
        && ["upstreams", "problems"].contains(&section.as_str())
    {
        *name = name_in_file(document, section, name);
    }
    let value = match notation(schema, &keys)? {
        Notation::Toml => DeValue::parse(text).ok().map(toml::Spanned::into_inner),
        Notation::Text => None,
    };
    // Text that is not valid TOML is kept as text: the error about its type then says what is expected.
    let value = value.unwrap_or_else(|| DeValue::String(text.into()));
    if document.override_value(&keys, value, place(variable).to_string()) {
        Ok(())
    } else {
        Err(format!("cannot set {}: the file has no table there", path_text(&keys)))
    }
}

fn path_text(keys: &[String]) -> String {
    KeyPath::of_keys(keys.iter().map(String::as_str)).to_string()
}

/// Returns the name in the file that is meant by a name in a variable, of an upstream or of a shape.
fn name_in_file(document: &Document<'_>, section: &str, given: &str) -> String {
    let names = || document.names_in(section);
    let folded = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let exact = names().find(|name: &&str| name.eq_ignore_ascii_case(given));
    let similar = || names().find(|name: &&str| folded(name) == folded(given));
    exact.or_else(similar).map_or_else(|| given.to_owned(), str::to_owned)
}
