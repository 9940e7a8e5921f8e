//! One operation: its key, its responses, and the policy of its route.

use yaml_serde::{Mapping, Value};

use super::components::{Components, MARK};
use super::responses;
use super::value::{object, object_at, target};
use crate::config::Route;
use crate::routes::{KeyPolicy, PublishedPlace};

/// Name of the extension with the policy of a route.
pub const EXTENSION: &str = "x-idempotency";

/// Tells whether an extension with the name of ours is ours.
pub fn is_own_extension(extension: &Value) -> bool {
    extension.get(MARK).is_some()
}

/// Adds what a route says of an operation. `shared` are the parameters of its path. Returns what the author
/// should know.
pub fn annotate(
    operation: &mut Mapping,
    shared: &[Value],
    route: &Route,
    components: &mut Components,
) -> Result<Vec<String>, String> {
    let mut notes = Vec::new();
    let policy = KeyPolicy::of(route);
    match &policy.key {
        PublishedPlace::Header(header) => {
            notes.extend(add_key(operation, shared, header, policy.required, components)?);
        }
        place => {
            for header in headers(place) {
                notes.extend(add_key(operation, shared, header, false, components)?);
            }
            notes.push(format!("its key may stand in the body, and {EXTENSION} says where"));
        }
    }
    let added = object_at(operation, "responses").ok_or("has `responses` that are no object")?;
    for status in responses::add(added, route, components) {
        notes.push(format!("its response {status} stands in another document, and stays as it is"));
    }
    if operation.contains_key(EXTENSION) {
        notes.push(format!("it has an {EXTENSION} of its own, which stays as it is"));
        return Ok(notes);
    }
    operation.insert(EXTENSION.into(), extension(&policy)?);
    Ok(notes)
}

/// Returns the extension with the policy of a route, in the members that the gateway publishes.
fn extension(policy: &KeyPolicy<'_>) -> Result<Value, String> {
    // Through JSON, because YAML has a notation of its own for the variants of an enum.
    let json = serde_json::to_string(policy).map_err(|error| error.to_string())?;
    let mut extension: Mapping = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    extension.insert(MARK.into(), true.into());
    Ok(extension.into())
}

/// Returns the headers among the places of a key.
fn headers(place: &PublishedPlace) -> Vec<&String> {
    match place {
        PublishedPlace::Header(header) => vec![header],
        PublishedPlace::Member(_) | PublishedPlace::Members(_) => Vec::new(),
        PublishedPlace::First(places) => places.iter().flat_map(headers).collect(),
    }
}

/// Adds the parameter of the key, unless the author has it. Returns how the author's own differs.
fn add_key(
    operation: &mut Mapping,
    shared: &[Value],
    header: &str,
    is_required: bool,
    components: &mut Components,
) -> Result<Option<String>, String> {
    let own = operation.get("parameters").filter(|own| !own.is_null());
    let own = own.map(|own| own.as_sequence().ok_or("has `parameters` that are no array"));
    let own = own.transpose()?.cloned().unwrap_or_default();
    let resolved = own.iter().chain(shared).filter_map(|parameter| match target(parameter) {
        Some(reference) => components.resolve("parameters", reference),
        None => Some(parameter),
    });
    let is_key = |parameter: &&Value| {
        let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
        text("in") == "header" && text("name").eq_ignore_ascii_case(header)
    };
    if let Some(key) = resolved.into_iter().find(is_key) {
        let required = key.get("required").and_then(Value::as_bool).unwrap_or(false);
        return Ok((required != is_required).then(|| {
            let (says, is) = if required { ("required", "optional") } else { ("optional", "required") };
            format!("its parameter {header} is {says} here, and {is} on the route; it stays as it is")
        }));
    }
    let suffix = if is_required { "Required" } else { "" };
    let name = format!("Oncegate{}{suffix}", header.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
    let parameter = components.add("parameters", &name, parameter(header, is_required));
    operation.insert("parameters".into(), own.into_iter().chain([parameter]).collect());
    Ok(None)
}

fn parameter(header: &str, required: bool) -> Value {
    let without = match required {
        true => "A request without it is refused.",
        false => "A request without it is not protected.",
    };
    let description = format!(
        "Names the operation: an unguessable text, new for each operation. A retry sends the same key with the same \
         request, and gets the first response again. {without}"
    );
    let schema = object([("type", "string".into()), ("minLength", 1.into()), ("maxLength", 255.into())]);
    object([
        ("name", header.into()),
        ("in", "header".into()),
        ("required", required.into()),
        ("description", description.into()),
        ("schema", schema),
    ])
}
