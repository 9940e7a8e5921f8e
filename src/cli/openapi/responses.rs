//! The responses of an operation: the headers that the gateway adds to those of the author, and the problems.
//!
//! A response with a status of its own hides the author's `4XX` and `default` for this status. A problem
//! therefore extends a copy of such a response. The copy, and a response that was a reference, carry a mark,
//! by which a later run finds the author's own again.

use yaml_serde::{Mapping, Value};

use super::components::{Components, MARK};
use super::problems::{Shape, problems, shape};
use super::value::{key_named, name_of, object, object_at, target, without_null};
use crate::config::Route;
use crate::problem::Slug;
use crate::protocol::Meaning;

/// Headers of an answer that is stored, first or replayed.
const STORED: [&str; 3] = ["Idempotent-Replayed", "Idempotency-Record", "Idempotency-Expires"];
/// Headers of an answer that is stored, unless a header of the upstream says that it did not act.
const STORED_OR_RELEASED: [&str; 4] =
    ["Idempotent-Replayed", "Idempotency-Record", "Idempotency-Expires", "Idempotency-Outcome"];
/// Headers of an answer of the upstream that is not stored.
const PASSED_ON: [&str; 2] = ["Idempotency-Outcome", "Idempotency-Record"];
/// Headers of a problem.
const PROBLEM: [&str; 3] = ["Idempotency-Executed", "Idempotency-Record", "Retry-After"];

/// Adds what the gateway answers on this route. Returns the responses that are left as they are, because they
/// stand in another document.
pub fn add(responses: &mut Mapping, route: &Route, components: &mut Components) -> Vec<String> {
    let mut left = Vec::new();
    let shape = shape(route);
    let schema = components.add("schemas", &shape.name, shape.schema.clone());
    let found = problems(route);
    // Copies are made of the author's responses as they were.
    let authors = responses.clone();
    for (key, response) in responses.iter_mut().filter(|(key, _)| !name_of(key).starts_with("x-")) {
        let name = name_of(key);
        match extended(response, components) {
            Some(extended) => add_headers(extended, headers_of(&name, route), components),
            None => left.push(name),
        }
    }
    for (status, slugs) in &found {
        let name = status.to_string();
        let key = key_named(responses, &name).unwrap_or_else(|| name.clone().into());
        if left.contains(&name) {
            continue;
        }
        if !responses.contains_key(&key) {
            let Some(copied) = copy(*status, &authors, components) else {
                responses.insert(key, alone(*status, slugs, &shape, &schema, components));
                continue;
            };
            responses.insert(key.clone(), copied);
        }
        if let Some(response) = responses.get_mut(&key).and_then(Value::as_mapping_mut) {
            add_headers(response, headers_of(&name, route), components);
            add_headers(response, &PROBLEM, components);
            add_content(response, &shape, &schema);
        }
    }
    left
}

/// Returns the headers that the gateway adds to an answer of the upstream. A name that stands for several
/// statuses has those of a stored answer, unless none of them is stored.
fn headers_of(name: &str, route: &Route) -> &'static [&'static str] {
    let is_stored = |status| route.outcomes.meaning(status) == Meaning::Completed;
    let class = name.strip_suffix("XX").and_then(|class| class.parse::<u16>().ok());
    let stored = match (name.parse(), class) {
        (Ok(status), _) => is_stored(status),
        (Err(_), Some(class)) => (class * 100..class * 100 + 100).any(is_stored),
        (Err(_), None) => true,
    };
    match (stored, route.release_when.is_empty()) {
        (true, true) => &STORED,
        (true, false) => &STORED_OR_RELEASED,
        (false, _) => &PASSED_ON,
    }
}

/// Returns the response itself, to be extended. A reference becomes a copy of the author's component. Returns
/// `None` if there is nothing to copy.
fn extended<'v>(response: &'v mut Value, components: &Components) -> Option<&'v mut Mapping> {
    if let Some(reference) = target(response).map(str::to_owned) {
        let mut copied = components.resolve("responses", &reference)?.as_mapping()?.clone();
        copied.insert(MARK.into(), object([("extends", reference.into())]));
        *response = copied.into();
    }
    response.as_mapping_mut()
}

/// Returns a copy of the author's response that stands for this status among others, if there is one.
fn copy(status: u16, authors: &Mapping, components: &Components) -> Option<Value> {
    let class = format!("{}XX", status / 100);
    let key = [&*class, "default"].into_iter().find_map(|name| key_named(authors, name))?;
    let response = authors.get(&key)?;
    let response = match target(response) {
        Some(reference) => components.resolve("responses", reference)?,
        None => response,
    };
    let mut copied = response.as_mapping()?.clone();
    without_null(&mut copied, "headers");
    without_null(&mut copied, "content");
    copied.insert(MARK.into(), object([("copies", name_of(&key).into())]));
    Some(copied.into())
}

/// Returns the response for problems alone.
fn alone(status: u16, slugs: &[Slug], shape: &Shape, schema: &Value, components: &mut Components) -> Value {
    let names: Vec<String> = slugs.iter().map(|slug| format!("`{}`", slug.name())).collect();
    let mut response = Mapping::new();
    response.insert("description".into(), format!("A problem: {}.", names.join(", ")).into());
    add_headers(&mut response, &PROBLEM, components);
    add_content(&mut response, shape, schema);
    components.add("responses", &format!("Oncegate{status}"), response.into())
}

/// Adds headers that the response does not have.
fn add_headers(response: &mut Mapping, names: &[&str], components: &mut Components) {
    for name in names {
        let Some(headers) = object_at(response, "headers") else { return };
        if key_named(headers, name).is_none()
            && let Some(header) = components.add_header(name)
        {
            headers.insert((*name).into(), header);
        }
    }
}

/// Adds the document of a problem. A schema that the author has for its content type stays, as one of two.
fn add_content(response: &mut Mapping, shape: &Shape, schema: &Value) {
    let Some(content) = object_at(response, "content") else { return };
    let key = key_named(content, &shape.content_type);
    let Some(media) = key.and_then(|key| content.get_mut(&key)) else {
        content.insert(shape.content_type.clone().into(), object([("schema", schema.clone())]));
        return;
    };
    // A media type without a schema allows any document.
    if let Some(own) = media.get_mut("schema") {
        let both = vec![std::mem::take(own), schema.clone()];
        *own = object([("anyOf", both.into())]);
    }
}
