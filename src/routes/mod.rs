//! The compiled route table: which route, if any, protects a request.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use matchit::Router;

use crate::config::{Route, UpstreamName};

use self::path::equivalent;

mod path;

/// All routes, ready to match.
pub struct RouteTable {
    /// A router for each method: what one covers need not make sense beside what another does.
    routers: HashMap<Method, Router<Arc<Route>>>,
    fallback: Option<UpstreamName>,
    largest_response: usize,
}

/// Where a request belongs.
#[derive(Clone, Debug)]
pub enum Matched {
    /// This route protects it.
    Route(Arc<Route>),
    /// No route does; it streams to this upstream.
    Fallback(UpstreamName),
    /// No route does, and there is no fallback.
    Nothing,
}

impl RouteTable {
    /// Compiles the routes of a configuration.
    ///
    /// # Errors
    /// The template that cannot stand beside the others, with the reason. A checked configuration
    /// has none.
    pub fn new(routes: &[Arc<Route>], fallback: Option<UpstreamName>) -> Result<Self, String> {
        let mut routers: HashMap<Method, Router<Arc<Route>>> = HashMap::new();
        for route in routes {
            for method in &route.methods {
                let router = routers.entry(method.clone()).or_default();
                let added = router.insert(route.shape.as_str(), Arc::clone(route));
                added.map_err(|error| format!("route {}: {error}", route.name))?;
            }
        }
        let largest_response = routes.iter().map(|route| route.max_response_body).max().unwrap_or(0);
        Ok(Self { routers, fallback, largest_response })
    }

    /// The largest response that any route keeps, in bytes.
    #[must_use]
    pub fn largest_response(&self) -> usize {
        self.largest_response
    }

    /// Where a request with this method and path belongs.
    ///
    /// Two spellings of one path (RFC 3986, section 6.2.2) match the same route: a client must not
    /// lose its protection by escaping a letter.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Matched {
        let path = equivalent(path);
        let route = self.routers.get(method).and_then(|router| router.at(&path).ok());
        let route = route.map(|found| Arc::clone(found.value));
        match (route, &self.fallback) {
            (Some(route), _) => Matched::Route(route),
            (None, Some(upstream)) => Matched::Fallback(upstream.clone()),
            (None, None) => Matched::Nothing,
        }
    }
}
