//! The variables that an overlay's pods get.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{text, yaml};

/// Variables by name. A variable that comes from a secret has the value that the README puts there.
pub type Variables = BTreeMap<String, String>;

/// Returns the variables of the base and the overlay.
pub fn of(overlay: &str) -> Variables {
    let mut found = Variables::new();
    collect(&yaml("k8s/base/deployment.yaml"), &mut found);
    collect(&yaml(&format!("k8s/overlays/{overlay}/store.yaml")), &mut found);
    found
}

/// Finds the entries that set a variable at any depth, because a patch holds them at another depth than a
/// pod.
fn collect(value: &Value, found: &mut Variables) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
            if name.starts_with("ONCEGATE_") {
                found.insert(name.to_owned(), setting(value));
            }
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}

fn setting(variable: &Value) -> String {
    let secret = &variable["valueFrom"]["secretKeyRef"];
    match (variable["value"].as_str(), secret["name"].as_str(), secret["key"].as_str()) {
        (Some(value), None, None) => value.to_owned(),
        (None, Some(name), Some(key)) => example(name, key),
        _ => panic!("neither a value nor a secret's: {variable}"),
    }
}

fn example(secret: &str, key: &str) -> String {
    let command = format!("kubectl create secret generic {secret} --from-literal={key}=");
    let readme = text("k8s/README.md");
    let (_, rest) = readme.split_once(&command).unwrap_or_else(|| panic!("the README lacks {command}"));
    rest.lines().next().unwrap_or_default().trim_matches(['\'', '"']).to_owned()
}
