//! The requests of two configurations: which route takes them before, and which one after.

use http::{HeaderMap, Method};

use crate::config::{Config, Route};
use crate::routes::{Matched, RouteTable};

use super::samples;

/// Requests with the same route before and the same destination after.
pub(super) struct Requests<'c> {
    /// The route that takes them in the old configuration. `None` if they streamed unprotected to the
    /// fallback, whether or not they had a key.
    pub before: Option<&'c Route>,
    /// Their destination in the new configuration.
    pub after: Destination<'c>,
    /// Their methods.
    pub methods: Vec<Method>,
    /// A sample of their paths, for people.
    pub path: String,
}

/// The destination of requests with a key.
#[derive(Clone, Copy)]
pub(super) enum Destination<'c> {
    /// A route.
    Route(&'c Route),
    /// The fallback, which takes requests with a key unprotected.
    Unprotected,
    /// The fallback, which refuses requests with a key that it sees.
    Fallback,
    /// A refusal.
    Refused,
}

impl Requests<'_> {
    /// Tells whether this route of the old configuration takes them.
    pub fn are_of(&self, route: &Route) -> bool {
        self.before.is_some_and(|before| before.name == route.name)
    }

    /// Returns methods and path for people.
    pub fn shown(&self) -> String {
        self.with_methods(&self.methods)
    }

    /// Returns these methods, and the path, for people.
    pub fn with_methods(&self, methods: &[Method]) -> String {
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        format!("{} {}", methods.join(", "), self.path)
    }
}

impl<'c> Destination<'c> {
    /// Returns the route, if it is one.
    pub fn route(self) -> Option<&'c Route> {
        match self {
            Self::Route(route) => Some(route),
            Self::Unprotected | Self::Fallback | Self::Refused => None,
        }
    }

    /// Finds the destination of a request in this configuration.
    fn of(config: &'c Config, table: &RouteTable, method: &Method, path: &str) -> Self {
        match table.find(method, path, &HeaderMap::new()) {
            Matched::Route(found) => {
                let own = config.routes.iter().find(|route| route.name == found.name);
                own.map_or(Self::Refused, |route| Self::Route(route))
            }
            Matched::Fallback(_) if !table.refuses_keyed() => Self::Unprotected,
            Matched::Fallback(_) => Self::Fallback,
            Matched::Nothing | Matched::Ambiguous(_) | Matched::Lookup | Matched::Policy(_) => Self::Refused,
        }
    }

    /// Returns the destination of the requests that went to `before`. A fallback that refuses keys does not see
    /// all of them.
    fn after(self, before: Self, table: &RouteTable) -> Self {
        match (self, before) {
            (Self::Fallback, Self::Route(route)) if !table.refuses_keys_of(&route.key.source) => {
                Self::Unprotected
            }
            _ => self,
        }
    }

    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Route(one), Self::Route(other)) => one.name == other.name,
            (Self::Unprotected, Self::Unprotected) => true,
            (Self::Fallback | Self::Refused, Self::Fallback | Self::Refused) => true,
            _ => false,
        }
    }
}

/// Returns the groups of requests that a route takes before or after, each once.
pub(super) fn of<'c>(old: &'c Config, new: &'c Config) -> Vec<Requests<'c>> {
    let mut found: Vec<Requests<'c>> = Vec::new();
    let table = |config: &Config| {
        let table = RouteTable::new(&config.routes, config.fallback.clone()).ok()?;
        Some(table.answering_lookups(config.lookup.enabled))
    };
    // A checked configuration has no conflict of routes.
    let (Some(earlier), Some(later)) = (table(old), table(new)) else { return found };
    let methods = methods(old, new);
    for path in samples::of(old, new) {
        for method in &methods {
            let before = Destination::of(old, &earlier, method, &path);
            let after = Destination::of(new, &later, method, &path).after(before, &later);
            let concerns = match (before, after) {
                (Destination::Route(_), _) => true,
                (Destination::Unprotected, after) => after.route().is_some(),
                (Destination::Fallback | Destination::Refused, _) => false,
            };
            if concerns {
                add(&mut found, before, after, method, &path);
            }
        }
    }
    found
}

fn add<'c>(
    found: &mut Vec<Requests<'c>>,
    before: Destination<'c>,
    after: Destination<'c>,
    method: &Method,
    path: &str,
) {
    let before = before.route();
    let is_same = |requests: &&mut Requests<'_>| {
        let names = (requests.before.map(|route| &route.name), before.map(|route| &route.name));
        names.0 == names.1 && requests.after.is(after)
    };
    match found.iter_mut().find(is_same) {
        Some(requests) if requests.methods.contains(method) => {}
        Some(requests) => requests.methods.push(method.clone()),
        None => {
            let path = samples::shown(path);
            found.push(Requests { before, after, methods: vec![method.clone()], path });
        }
    }
}

/// Returns the methods of all routes, each once.
fn methods(old: &Config, new: &Config) -> Vec<Method> {
    let mut methods: Vec<Method> = Vec::new();
    for method in old.routes.iter().chain(&new.routes).flat_map(|route| &route.methods) {
        if !methods.contains(method) {
            methods.push(method.clone());
        }
    }
    methods
}
