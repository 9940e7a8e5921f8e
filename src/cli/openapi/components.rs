//! The components that operations share: those of the author, and those that this command adds.

use yaml_serde::{Mapping, Value};

use super::value::{object, object_at, target};

/// Mark of everything that this command adds.
pub const MARK: &str = "x-oncegate";

/// The components of a document.
pub struct Components(pub Mapping);

impl Components {
    /// Returns the component that a reference leads to. References to other documents, and to references, lead
    /// nowhere.
    pub fn resolve(&self, section: &str, reference: &str) -> Option<&Value> {
        let name = reference.strip_prefix("#/components/")?.strip_prefix(section)?.strip_prefix('/')?;
        let found = self.0.get(section)?.get(name)?;
        target(found).is_none().then_some(found)
    }

    /// Tells whether a value is a reference to a component that this command added.
    pub fn is_own(&self, value: &Value) -> bool {
        let component = target(value).and_then(|reference| {
            let (section, name) = reference.strip_prefix("#/components/")?.split_once('/')?;
            self.0.get(section)?.get(name)
        });
        component.is_some_and(is_marked)
    }

    /// Adds a component, and returns the reference to it. A component that is there already is used again. A
    /// name that another component has gets a number.
    pub fn add(&mut self, section: &str, name: &str, mut component: Value) -> Value {
        if let Some(members) = component.as_mapping_mut() {
            members.insert(MARK.into(), true.into());
        }
        let mut number = 1;
        loop {
            let name = if number == 1 { name.to_owned() } else { format!("{name}{number}") };
            let reference = super::value::reference(&format!("#/components/{section}/{name}"));
            let Some(components) = object_at(&mut self.0, section) else { return component };
            match components.get(&*name) {
                Some(other) if *other != component => number += 1,
                Some(_) => return reference,
                None => {
                    components.insert(name.into(), component);
                    return reference;
                }
            }
        }
    }

    /// Adds the header with this name.
    pub fn add_header(&mut self, name: &str) -> Option<Value> {
        let (description, schema) = header(name)?;
        let component = object([("description", description.into()), ("schema", schema)]);
        Some(self.add("headers", &format!("Oncegate{}", name.replace('-', "")), component))
    }
}

/// Tells whether this command added a component.
pub fn is_marked(component: &Value) -> bool {
    component.get(MARK).is_some()
}

/// Returns the description and the schema of a header.
fn header(name: &str) -> Option<(&'static str, Value)> {
    let text = || object([("type", "string".into())]);
    let one_of = |words: &[&str]| {
        let words: Vec<Value> = words.iter().map(|word| (*word).into()).collect();
        object([("type", "string".into()), ("enum", words.into())])
    };
    Some(match name {
        "Idempotent-Replayed" => {
            ("`true` if this response was stored before, and nothing was executed again.", one_of(&["true"]))
        }
        "Idempotency-Record" => ("Id of the record of this operation, for questions to support.", text()),
        "Idempotency-Expires" => {
            ("Time until which the same key gets this response again, as an HTTP date.", text())
        }
        "Idempotency-Outcome" => (
            "This response is not stored. `released`: nothing was executed, and the key is free again. `unknown`: \
             it is not known whether the operation was executed.",
            one_of(&["released", "unknown"]),
        ),
        "Idempotency-Executed" => {
            ("Tells whether the operation of this request was executed.", one_of(&["yes", "no", "unknown"]))
        }
        "Retry-After" => {
            let schema = object([("type", "integer".into()), ("minimum", 0.into())]);
            ("Seconds after which the same request may be sent again, if it may.", schema)
        }
        _ => return None,
    })
}
