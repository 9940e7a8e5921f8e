//! The removal of an earlier annotation: what is left is the author's own.
//!
//! An object or array that becomes empty is null at first, so that it keeps its place if the annotation fills
//! it again. [`prune`] and [`prune_components`] remove it if not.

use yaml_serde::{Mapping, Value};

use super::components::{Components, MARK, is_marked};
use super::operation::{EXTENSION, is_own_extension};
use super::value::{reference, without_null};

/// Removes what an earlier run added to an operation.
pub fn clean_operation(operation: &mut Mapping, components: &Components) {
    if operation.get(EXTENSION).is_some_and(is_own_extension) {
        operation.shift_remove(EXTENSION);
    }
    if let Some(Value::Sequence(parameters)) = operation.get_mut("parameters") {
        let before = parameters.len();
        parameters.retain(|parameter| !components.is_own(parameter));
        if parameters.is_empty() && before > 0 {
            operation.insert("parameters".into(), Value::Null);
        }
    }
    let Some(Value::Mapping(responses)) = operation.get_mut("responses") else { return };
    let before = responses.len();
    responses.retain(|_, response| {
        let is_copy = response.get(MARK).is_some_and(|mark| mark.get("copies").is_some());
        !is_copy && !components.is_own(response)
    });
    responses.values_mut().for_each(|response| clean_response(response, components));
    if responses.is_empty() && before > 0 {
        operation.insert("responses".into(), Value::Null);
    }
}

/// Removes what an earlier run had filled and this one did not.
pub fn prune(operation: &mut Mapping) {
    without_null(operation, "parameters");
    without_null(operation, "responses");
    let responses = operation.get_mut("responses").and_then(Value::as_mapping_mut);
    let responses = responses.into_iter().flat_map(|responses| responses.values_mut());
    for response in responses.filter_map(Value::as_mapping_mut) {
        without_null(response, "headers");
        without_null(response, "content");
    }
}

fn clean_response(response: &mut Value, components: &Components) {
    let extended = response.get(MARK).and_then(|mark| mark.get("extends")?.as_str().map(str::to_owned));
    if let Some(extended) = extended {
        *response = reference(&extended);
        return;
    }
    let Some(members) = response.as_mapping_mut() else { return };
    clean(members, "headers", |header| !components.is_own(header));
    clean(members, "content", |media| {
        let Some(schema) = media.get_mut("schema") else { return true };
        let author =
            schema.get("anyOf").and_then(Value::as_sequence).and_then(|both| match both.as_slice() {
                [author, own] if components.is_own(own) => Some(author.clone()),
                _ => None,
            });
        if let Some(author) = author {
            *schema = author;
        }
        !components.is_own(schema)
    });
}

/// Removes members of an object.
fn clean(within: &mut Mapping, name: &str, mut stays: impl FnMut(&mut Value) -> bool) {
    let Some(Value::Mapping(members)) = within.get_mut(name) else { return };
    let before = members.len();
    members.retain(|_, member| stays(member));
    if members.is_empty() && before > 0 {
        within.insert(name.into(), Value::Null);
    }
}

/// Removes the components that an earlier run added.
pub fn clean_components(components: &mut Components) {
    for section in components.0.values_mut() {
        let Some(members) = section.as_mapping_mut() else { continue };
        let before = members.len();
        members.retain(|_, component| !is_marked(component));
        if members.is_empty() && before > 0 {
            *section = Value::Null;
        }
    }
}

/// Removes the sections that an earlier run had filled and this one did not.
pub fn prune_components(components: &mut Components) {
    components.0.retain(|_, section| !section.is_null());
}
