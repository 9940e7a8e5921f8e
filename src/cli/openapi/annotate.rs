//! The whole document: which of its operations are annotated, and what its author should know.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use yaml_serde::{Mapping, Value};

use super::components::Components;
use super::covering::{Covered, Covering, servers};
use super::earlier::{clean_components, clean_operation, prune, prune_components};
use super::operation;
use super::value::{name_of, object, target};
use crate::config::Route;

/// The members of a path that are operations, and whether a repeated request is harmless by its method alone.
static METHODS: [(&str, Method, bool); 8] = [
    ("get", Method::GET, true),
    ("put", Method::PUT, false),
    ("post", Method::POST, false),
    ("delete", Method::DELETE, false),
    ("options", Method::OPTIONS, true),
    ("head", Method::HEAD, true),
    ("patch", Method::PATCH, false),
    ("trace", Method::TRACE, true),
];

/// A document on the way to its annotation.
struct Annotation<'r> {
    covering: Covering<'r>,
    components: Components,
    /// The document without paths and components.
    root: Value,
    /// Names of the routes that cover an operation.
    used: BTreeSet<Arc<str>>,
    count: usize,
    notes: Vec<String>,
}

/// Annotates the operations that these routes cover. Returns what the author should know.
///
/// # Errors
/// A sentence that says which part of the document cannot be read.
pub fn annotate(root: &mut Value, routes: &[Arc<Route>]) -> Result<Vec<String>, String> {
    let covering = Covering::new(routes)?;
    let members = root.as_mapping_mut().ok_or("is no object")?;
    let mut take = |name: &str| match members.get_mut(name) {
        None => Ok(Mapping::new()),
        Some(Value::Mapping(taken)) => Ok(std::mem::take(taken)),
        Some(_) => Err(format!("is not an OpenAPI document: its `{name}` is no object")),
    };
    let (mut paths, components) = (take("paths")?, Components(take("components")?));
    let had_empty = components.0.is_empty() && members.contains_key("components");
    let mut annotation = Annotation {
        covering,
        components,
        root: Value::Mapping(members.clone()),
        used: BTreeSet::new(),
        count: 0,
        notes: Vec::new(),
    };
    annotation.annotate(&mut paths)?;
    let Annotation { components, used, count, mut notes, .. } = annotation;
    if members.contains_key("paths") {
        members.insert("paths".into(), paths.into());
    }
    match components.0.is_empty() && !had_empty {
        true => drop(members.shift_remove("components")),
        false => drop(members.insert("components".into(), components.0.into())),
    }
    for route in routes.iter().filter(|route| !used.contains(&route.name)) {
        let methods: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
        notes.push(format!(
            "route {:?} ({} {}) covers no operation of the document",
            &*route.name,
            methods.join(", "),
            route.path
        ));
    }
    notes.push(format!("annotated {count} operation{}", if count == 1 { "" } else { "s" }));
    Ok(notes)
}

impl Annotation<'_> {
    fn annotate(&mut self, paths: &mut Mapping) -> Result<(), String> {
        for item in paths.values_mut() {
            operations(item).for_each(|(.., operation)| clean_operation(operation, &self.components));
        }
        clean_components(&mut self.components);
        for (key, item) in paths.iter_mut() {
            let path = name_of(key);
            if path.starts_with('/') {
                self.annotate_path(&path, item)?;
            }
            operations(item).for_each(|(.., operation)| prune(operation));
        }
        prune_components(&mut self.components);
        Ok(())
    }

    fn annotate_path(&mut self, path: &str, item: &mut Value) -> Result<(), String> {
        if let Some(elsewhere) = target(item) {
            self.notes.push(format!("{path} stands at {elsewhere}, and its operations stay as they are"));
            return Ok(());
        }
        let shared = item.get("parameters").and_then(Value::as_sequence).cloned().unwrap_or_default();
        let of_path = item.get("servers").map(|servers| object([("servers", servers.clone())]));
        for (method, is_safe, operation) in operations(item) {
            let itself = operation.get("servers").cloned().unwrap_or_default();
            let itself = object([("servers", itself)]);
            let servers = servers([&itself, of_path.as_ref().unwrap_or(&Value::Null), &self.root]);
            let at = format!("{method} {path}");
            let route = match self.covering.of(method, path, &servers) {
                Covered::By(route) => route,
                Covered::ByOthersToo(route, others) => {
                    self.notes.push(format!(
                        "{at}: its servers lead to several routes; it is annotated for {:?}, and not for {}",
                        &*route.name,
                        quoted(&others)
                    ));
                    self.used.extend(others);
                    route
                }
                Covered::Partly(routes) => {
                    self.notes.push(format!("{at}: {} covers some of its paths only", quoted(&routes)));
                    self.used.extend(routes);
                    continue;
                }
                Covered::Not if is_safe => continue,
                Covered::Not => {
                    self.notes.push(format!("{at}: no route covers it"));
                    continue;
                }
            };
            self.used.insert(Arc::clone(&route.name));
            self.count += 1;
            let notes = operation::annotate(operation, &shared, &route, &mut self.components);
            let notes = notes.map_err(|why| format!("is not an OpenAPI document: {at} {why}"))?;
            self.notes.extend(notes.into_iter().map(|note| format!("{at}: {note}")));
        }
        Ok(())
    }
}

/// Returns the operations of a path, in the order of the document.
fn operations(item: &mut Value) -> impl Iterator<Item = (&'static Method, bool, &mut Mapping)> {
    let members = item.as_mapping_mut().into_iter().flat_map(|members| members.iter_mut());
    members.filter_map(|(key, value)| {
        let (_, method, is_safe) = METHODS.iter().find(|(name, ..)| key.as_str() == Some(*name))?;
        Some((method, *is_safe, value.as_mapping_mut()?))
    })
}

fn quoted(names: &[Arc<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("route {:?}", &**name)).collect();
    names.join(", ")
}
