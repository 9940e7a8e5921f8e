//! The compiled route table: which route, if any, protects a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use matchit::Router;

use crate::config::{Route, UpstreamName};

use self::path::{equivalent, template};

mod path;

/// All routes, ready to match.
pub struct RouteTable {
    router: Router<Vec<Arc<Route>>>,
    fallback: Option<UpstreamName>,
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
        let mut by_path: BTreeMap<String, Vec<Arc<Route>>> = BTreeMap::new();
        for route in routes {
            by_path.entry(template(&route.path)).or_default().push(Arc::clone(route));
        }
        let mut router = Router::new();
        for (path, routes) in by_path {
            router.insert(path.as_str(), routes).map_err(|error| format!("{path}: {error}"))?;
        }
        Ok(Self { router, fallback })
    }

    /// Where a request with this method and path belongs.
    ///
    /// Two spellings of one path (RFC 3986, section 6.2.2) match the same route: a client must not
    /// lose its protection by escaping a letter.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Matched {
        let path = equivalent(path);
        let route = self.router.at(&path).ok().and_then(|found| {
            found.value.iter().find(|route| route.methods.contains(method)).map(Arc::clone)
        });
        match (route, &self.fallback) {
            (Some(route), _) => Matched::Route(route),
            (None, Some(upstream)) => Matched::Fallback(upstream.clone()),
            (None, None) => Matched::Nothing,
        }
    }
}
