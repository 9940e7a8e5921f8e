//! The compiled route table: finds the route, if any, that protects a request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method};
use matchit::Router;

use crate::config::{Fallback, Match, Route, UpstreamName};
use crate::headers::{IDEMPOTENCY_KEY, METHOD_OVERRIDES};
use crate::protocol::KeySource;
use crate::protocol::path;
use crate::protocol::readings::{self, Reading};

pub mod identity;
mod live;
mod operation;
mod published;

pub use self::live::LiveRoutes;
pub use self::operation::{NoPath, UnknownCaller, scope_on};
pub use self::published::{KeyPolicy, Published, PublishedPlace, shown};

/// The path at which a client looks up the record of a key, if the configuration allows it.
pub const LOOKUP_PATH: &str = "/.well-known/idempotency/record";

/// The path at which the policy of the routes is published, if the configuration allows lookups.
pub const POLICY_PATH: &str = "/.well-known/idempotency";

/// The routes of a configuration, compiled for matching.
pub struct RouteTable {
    /// Routes for which equivalent spellings of a path are the same path.
    equivalent: Routers,
    /// Routes that compare paths exactly.
    exact: Routers,
    fallback: Option<Fallback>,
    /// The routes, in the order of the configuration.
    routes: Vec<Arc<Route>>,
    key_headers: Vec<HeaderName>,
    largest_response: usize,
    /// The published policy, if [`LOOKUP_PATH`] and [`POLICY_PATH`] are the gateway's own.
    published: Option<Arc<Published>>,
}

/// The router of each method. Templates of different methods cannot conflict with each other.
type Routers = HashMap<Method, Router<Arc<Route>>, RandomState>;

/// The destination of a request.
#[derive(Clone, Debug)]
pub enum Matched {
    /// A route protects the request.
    Route(Arc<Route>),
    /// No route protects the request. It streams to this upstream.
    Fallback(UpstreamName),
    /// No route protects the request, and there is no fallback.
    Nothing,
    /// Servers disagree about whether a route covers the request.
    Ambiguous(Ambiguity),
    /// The gateway itself answers: the client looks up the record of a key.
    Lookup,
    /// The gateway itself answers: the client reads the policy of the routes.
    Policy(Arc<Published>),
}

/// The part of a request that servers disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// The segments of the path.
    Path,
    /// The method: servers disagree about whether its case counts, or whether a header replaces it.
    Method,
}

/// A route with a path that cannot stand beside the paths of other routes.
#[derive(Debug, thiserror::Error)]
#[error("route {route}: {source}")]
pub struct RouteConflict {
    /// Name of the route.
    pub route: Arc<str>,
    /// The conflict, as the router describes it.
    pub source: matchit::InsertError,
}

impl RouteTable {
    /// Compiles the routes of a configuration.
    ///
    /// # Errors
    /// A message if a template conflicts with another one, with the reason. A checked configuration has no
    /// such template.
    pub fn new(routes: &[Arc<Route>], fallback: Option<Fallback>) -> Result<Self, RouteConflict> {
        let (mut equivalent, mut exact) = (Routers::default(), Routers::default());
        let mut key_headers = vec![IDEMPOTENCY_KEY];
        for route in routes {
            let routers = match route.matching {
                Match::Equivalent => &mut equivalent,
                Match::Exact => &mut exact,
            };
            for method in &route.methods {
                let router = routers.entry(method.clone()).or_default();
                let added = router.insert(route.shape.as_str(), Arc::clone(route));
                added.map_err(|source| RouteConflict { route: Arc::clone(&route.name), source })?;
            }
            for name in route.key.source.headers() {
                if !key_headers.contains(name) {
                    key_headers.push(name.clone());
                }
            }
        }
        let largest_response = routes.iter().map(|route| route.max_response_body).max().unwrap_or(0);
        let routes = routes.to_vec();
        let published = None;
        Ok(Self { equivalent, exact, fallback, routes, key_headers, largest_response, published })
    }

    /// Returns the table with or without lookups by clients. Without them, [`LOOKUP_PATH`] and [`POLICY_PATH`]
    /// are paths like any other.
    #[must_use]
    pub fn answering_lookups(self, answers_lookups: bool) -> Self {
        let published = answers_lookups.then(|| Arc::new(Published::of(&self.routes)));
        Self { published, ..self }
    }

    /// Returns the route with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| *route.name == *name)
    }

    /// Returns the name of each route, and the time for which it replays.
    pub fn ttls(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.routes.iter().map(|route| (&*route.name, route.policy.ttl))
    }

    /// Returns the longest time for which a route replays, or zero without a route.
    #[must_use]
    pub fn longest_ttl(&self) -> Duration {
        self.routes.iter().map(|route| route.policy.ttl).max().unwrap_or_default()
    }

    /// Returns the shortest time from a write to the deadline of the written record that a route has: a lease
    /// or a time of retention. Returns the longest duration without a route.
    #[must_use]
    pub fn shortest_span(&self) -> Duration {
        self.routes.iter().map(|route| route.policy.shortest_span()).min().unwrap_or(Duration::MAX)
    }

    /// Returns the size of the largest response that any route keeps, in bytes.
    #[must_use]
    pub fn largest_response(&self) -> usize {
        self.largest_response
    }

    /// Tells whether a request that no route protects is refused if it carries a key.
    #[must_use]
    pub fn refuses_keyed(&self) -> bool {
        self.fallback.as_ref().is_some_and(|fallback| fallback.refuses_keyed)
    }

    /// Tells whether a request with a key at any of these places is refused if no route protects it. A key in a
    /// body is not seen there.
    #[must_use]
    pub fn refuses_keys_of(&self, source: &KeySource) -> bool {
        let is_known = |name: &HeaderName| self.key_headers().any(|known| known == name);
        self.refuses_keyed() && !source.reads_body() && source.headers().all(is_known)
    }

    /// Tells whether a request carries a key in the header of any route, or in the usual header.
    #[must_use]
    pub fn is_keyed(&self, headers: &HeaderMap) -> bool {
        self.key_headers().any(|name| headers.contains_key(name))
    }

    /// Returns the headers that carry keys: those of all routes, and the usual header.
    pub fn key_headers(&self) -> impl Iterator<Item = &HeaderName> + Clone {
        self.key_headers.iter()
    }

    /// Finds the destination of a request with this method and path.
    ///
    /// All spellings of a path that usual servers treat as the same path match the same route, unless that
    /// route compares exactly. A spelling that a route covers for some servers only is ambiguous.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str, headers: &HeaderMap) -> Matched {
        if let Some(published) = &self.published {
            match &*path::exact(path) {
                LOOKUP_PATH => return Matched::Lookup,
                POLICY_PATH => return Matched::Policy(Arc::clone(published)),
                _ => {}
            }
        }
        let route = self.covering(method, path);
        if let Some(ambiguity) = self.ambiguity(method, path, headers, route) {
            return Matched::Ambiguous(ambiguity);
        }
        match (route, &self.fallback) {
            (Some(route), _) => Matched::Route(Arc::clone(route)),
            (None, Some(fallback)) => Matched::Fallback(fallback.upstream.clone()),
            (None, None) => Matched::Nothing,
        }
    }

    /// Returns the methods with which a request on this path is one of a route, or a lookup.
    #[must_use]
    pub fn methods_on(&self, path: &str) -> Vec<Method> {
        if self.published.is_some() && matches!(&*path::exact(path), LOOKUP_PATH | POLICY_PATH) {
            return vec![Method::GET, Method::HEAD];
        }
        let mut methods: Vec<Method> = Vec::new();
        for method in self.routes.iter().flat_map(|route| &route.methods) {
            if !methods.contains(method) && self.covering(method, path).is_some() {
                methods.push(method.clone());
            }
        }
        methods
    }

    /// Tells whether there is a fallback for requests that no route covers.
    #[must_use]
    pub fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// Tells whether requests with this path, and a method of this route, are requests on this route.
    #[must_use]
    pub fn leads_to(&self, route: &Arc<Route>, path: &str) -> bool {
        route.methods.iter().any(|method| {
            let found = self.find(method, path, &HeaderMap::new());
            matches!(found, Matched::Route(found) if Arc::ptr_eq(&found, route))
        })
    }

    /// Returns the route that covers a path. If an exact and an equivalent route cover it, the result is the
    /// route with the more exact template.
    fn covering(&self, method: &Method, path: &str) -> Option<&Arc<Route>> {
        let equivalent = self.equivalently(method, path);
        let exact = self.exact.get(method).and_then(|router| {
            let found = router.at(&path::exact(path)).ok()?.value;
            Some(found)
        });
        match (exact, equivalent) {
            (Some(exact), Some(equivalent)) if equivalent.template.is_more_exact(&exact.template) => {
                Some(equivalent)
            }
            (Some(exact), _) => Some(exact),
            (None, equivalent) => equivalent,
        }
    }

    fn equivalently(&self, method: &Method, path: &str) -> Option<&Arc<Route>> {
        let router = self.equivalent.get(method)?;
        path::lookups(path).find_map(|path| router.at(&path).ok().map(|found| found.value))
    }

    fn ambiguity(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        route: Option<&Arc<Route>>,
    ) -> Option<Ambiguity> {
        let readings = readings::alternatives(path);
        let is_another = |reading: &Reading| {
            let other = self.equivalently(method, &reading.path);
            other.is_some_and(|other| {
                reading.is_distinguished || route.is_none_or(|route| !Arc::ptr_eq(route, other))
            })
        };
        if readings.iter().any(is_another) {
            return Some(Ambiguity::Path);
        }
        if route.is_some() {
            return None;
        }
        let paths = || readings.iter().map(|reading| reading.path.as_str()).chain([path]);
        let covers = |method: &Method| paths().any(|path| self.covering(method, path).is_some());
        other_methods(method, headers).any(|method| covers(&method)).then_some(Ambiguity::Method)
    }
}

/// Returns the methods, besides that of the request line, that some servers read in a request.
fn other_methods<'a>(method: &'a Method, headers: &'a HeaderMap) -> impl Iterator<Item = Method> + 'a {
    let named = METHOD_OVERRIDES.iter().flat_map(|name| headers.get_all(name)).map(HeaderValue::as_bytes);
    let read = [method.as_str().as_bytes()].into_iter().chain(named);
    let upper = read.filter_map(|name| Method::from_bytes(&name.trim_ascii().to_ascii_uppercase()).ok());
    upper.filter(move |read| read != method)
}
