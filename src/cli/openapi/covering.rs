//! Which route covers an operation of a document. The route table itself decides, for a path that fits the
//! operation's template under the path of a server.

use std::sync::Arc;

use http::{HeaderMap, Method};
use yaml_serde::Value;

use super::value::name_of;
use crate::config::Route;
use crate::protocol::Pattern;
use crate::routes::{Matched, RouteTable};

/// The routes of a configuration.
pub struct Covering<'r> {
    routes: &'r [Arc<Route>],
    table: RouteTable,
}

/// The routes that cover an operation.
#[derive(Debug)]
pub enum Covered {
    /// A route covers each path of the operation, under one of its servers at least.
    By(Arc<Route>),
    /// As before, and other routes cover it under other servers.
    ByOthersToo(Arc<Route>, Vec<Arc<str>>),
    /// Routes cover some paths of the operation only.
    Partly(Vec<Arc<str>>),
    /// No route covers any path of the operation.
    Not,
}

/// A value for a parameter in a path. No route has it as a literal.
const ANY: &str = "oncegate-any-value";

impl<'r> Covering<'r> {
    /// Takes the routes of a configuration.
    ///
    /// # Errors
    /// A sentence that says which routes conflict.
    pub fn new(routes: &'r [Arc<Route>]) -> Result<Self, String> {
        let table = RouteTable::new(routes, None).map_err(|error| error.to_string())?;
        Ok(Self { routes, table })
    }

    /// Finds the routes that cover an operation with this path template, under any of these servers.
    pub fn of(&self, method: &Method, path: &str, servers: &[String]) -> Covered {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let templates = || servers.iter().map(|server| format!("{server}{path}"));
        let mut found: Vec<Arc<Route>> = Vec::new();
        for template in templates() {
            let matched = self.table.find(method, &filled(&template), &HeaderMap::new());
            if let Matched::Route(route) = matched
                && !found.iter().any(|earlier| Arc::ptr_eq(earlier, &route))
            {
                found.push(route);
            }
        }
        let names = |routes: &[Arc<Route>]| routes.iter().map(|route| Arc::clone(&route.name)).collect();
        match found.as_slice() {
            [] => {
                let patterns: Vec<Pattern> = templates().map(|t| Pattern::equivalent(&t)).collect();
                let touches = |route: &&Arc<Route>| {
                    let own = Pattern::equivalent(&route.path);
                    route.methods.contains(method) && patterns.iter().any(|pattern| pattern.overlaps(&own))
                };
                let touched: Vec<Arc<Route>> = self.routes.iter().filter(touches).cloned().collect();
                if touched.is_empty() { Covered::Not } else { Covered::Partly(names(&touched)) }
            }
            [route] => Covered::By(Arc::clone(route)),
            [route, others @ ..] => Covered::ByOthersToo(Arc::clone(route), names(others)),
        }
    }
}

/// Replaces the parameters of a template by a value.
fn filled(template: &str) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        filled.push_str(ANY);
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    filled + rest
}

/// Returns the paths of the servers that hold for an operation, from the most specific object that names any.
pub fn servers(objects: [&Value; 3]) -> Vec<String> {
    let named = |object: &Value| object.get("servers").and_then(Value::as_sequence).cloned();
    let servers = objects.into_iter().filter_map(named).find(|servers| !servers.is_empty());
    let mut paths: Vec<String> = Vec::new();
    for path in servers.unwrap_or_default().iter().filter_map(path_of) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() { vec![String::new()] } else { paths }
}

/// Returns the path of a server's URL, without a slash at its end. Variables have their default values.
fn path_of(server: &Value) -> Option<String> {
    let mut url = server.get("url")?.as_str()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_mapping).into_iter().flatten() {
        let default = variable.get("default").map(name_of).unwrap_or_default();
        url = url.replace(&format!("{{{}}}", name_of(name)), &default);
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => &url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    Some(if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_server_stands_before_the_operations_path() {
        let servers_of = |text: &str| {
            let root: Value = yaml_serde::from_str(text).expect("YAML");
            servers([&Value::Null, &Value::Null, &root])
        };
        for (text, paths) in [
            ("{}", vec![""]),
            ("servers: []", vec![""]),
            ("servers: [{ url: 'https://api.example' }]", vec![""]),
            ("servers: [{ url: 'https://api.example/' }, { url: / }]", vec![""]),
            ("servers: [{ url: 'https://api.example:8443/a/b/?x#y' }]", vec!["/a/b"]),
            ("servers: [{ url: /v2 }, { url: 'http://localhost/v1' }]", vec!["/v2", "/v1"]),
            ("servers: [{ url: v1 }]", vec!["/v1"]),
            (
                "servers: [{ url: 'https://{host}/{version}/x', variables: { version: { default: 3 }, host: { default: h } } }]",
                vec!["/3/x"],
            ),
        ] {
            assert_eq!(servers_of(text), paths, "{text}");
        }
    }

    #[test]
    fn a_parameter_takes_any_value() {
        assert_eq!(filled("/v1/{id}/x/{a}-{b}"), format!("/v1/{ANY}/x/{ANY}-{ANY}"));
        assert_eq!(filled("/v1/charges"), "/v1/charges");
        assert_eq!(filled("/v1/{open"), format!("/v1/{ANY}"));
    }
}
