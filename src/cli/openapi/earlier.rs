//! The removal of an earlier annotation: what is left is the author's own.

use yaml_serde::{Mapping, Value};

use super::components::{Components, MARK, is_marked};
use super::operation::{EXTENSION, is_own_extension};
use super::value::reference;

/// Removes what an earlier run added to an operation.
pub fn clean_operation(operation: &mut Mapping, components: &Components) {
    if operation.get(EXTENSION).is_some_and(is_own_extension) {
        operation.shift_remove(EXTENSION);
    }
    if let Some(Value::Sequence(parameters)) = operation.get_mut("parameters") {
        let before = parameters.len();
        parameters.retain(|parameter| !components.is_own(parameter));
        if parameters.is_empty() && before > 0 {
            operation.shift_remove("parameters");
        }
    }
    let Some(Value::Mapping(responses)) = operation.get_mut("responses") else { return };
    let before = responses.len();
    responses.retain(|_, response| {
        let is_copy = response.get(MARK).is_some_and(|mark| mark.get("copies").is_some());
        !is_copy && !components.is_own(response)
    });
    if responses.is_empty() && before > 0 {
        operation.shift_remove("responses");
        return;
    }
    responses.values_mut().for_each(|response| clean_response(response, components));
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

/// Removes members of an object, and the object if nothing is left of it.
fn clean(within: &mut Mapping, name: &str, mut stays: impl FnMut(&mut Value) -> bool) {
    let Some(Value::Mapping(members)) = within.get_mut(name) else { return };
    let before = members.len();
    members.retain(|_, member| stays(member));
    if members.is_empty() && before > 0 {
        within.shift_remove(name);
    }
}

/// Removes the components that an earlier run added.
pub fn clean_components(components: &mut Components) {
    let sections: Vec<Value> = components.0.keys().cloned().collect();
    for section in sections {
        let Some(Value::Mapping(members)) = components.0.get_mut(&section) else { continue };
        let before = members.len();
        members.retain(|_, component| !is_marked(component));
        if members.is_empty() && before > 0 {
            components.0.shift_remove(&section);
        }
    }
}
