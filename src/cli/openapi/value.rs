//! Values of a document: objects in the order of their members.

use yaml_serde::{Mapping, Value};

/// Returns an object with these members, in their order.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Mapping(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// Returns a reference to a component.
pub fn reference(to: &str) -> Value {
    object([("$ref", to.into())])
}

/// Returns the target of a reference, if `value` is one.
pub fn target(value: &Value) -> Option<&str> {
    value.as_mapping()?.get("$ref")?.as_str()
}

/// Returns the object under a name, which is made if it is missing or null. Returns `None` if there is
/// something else than an object.
pub fn object_at<'v>(within: &'v mut Mapping, name: &str) -> Option<&'v mut Mapping> {
    let value = within.entry(name.into()).or_insert(Value::Null);
    if value.is_null() {
        *value = Mapping::new().into();
    }
    value.as_mapping_mut()
}

/// Removes a member that is null.
pub fn without_null(within: &mut Mapping, name: &str) {
    if within.get(name).is_some_and(Value::is_null) {
        within.shift_remove(name);
    }
}

/// Returns the name of a member. In YAML, a status may be a number.
pub fn name_of(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Returns the key of the member with this name.
pub fn key_named(within: &Mapping, name: &str) -> Option<Value> {
    within.keys().find(|key| name_of(key).eq_ignore_ascii_case(name)).cloned()
}
