//! The parts of a request, beside the key, that name an operation of a route: the caller and the path. A
//! request, a client that looks up a key, and an operator who does so name an operation in the same way.

use std::sync::Arc;

use http::uri::PathAndQuery;
use thiserror::Error;

use crate::config::Route;
use crate::protocol::{CallerIdentity, CallerParts, Scope, ScopePart};

use super::RouteTable;

/// The reason why a request does not say which caller's operation it means.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownCaller {
    /// The request has none of the parts that the route's scope names, which stand here.
    #[error("nothing identifies the caller; the route's scope names: {0}")]
    Anonymous(String),
    /// The only part that identifies the caller changes with every request.
    #[error(
        "the Authorization header signs each request anew, so it identifies no caller; the route's scope names: {0}"
    )]
    SignedPerRequest(String),
}

/// Returns the scope of a caller on a route.
///
/// # Errors
/// The route does not let all callers count as one, and the request does not tell which caller sent it.
pub fn scope_on(route: &Route, shown: CallerParts<'_>) -> Result<Scope, UnknownCaller> {
    let (scope, identity) = Scope::of_request(&route.scope, shown);
    match identity {
        CallerIdentity::Identified => Ok(scope),
        CallerIdentity::Anonymous | CallerIdentity::SignedPerRequest if route.anonymous => Ok(scope),
        CallerIdentity::Anonymous => Err(UnknownCaller::Anonymous(caller_parts(route))),
        CallerIdentity::SignedPerRequest => Err(UnknownCaller::SignedPerRequest(caller_parts(route))),
    }
}

fn caller_parts(route: &Route) -> String {
    let parts = route.scope.iter().filter(|part| **part != ScopePart::Path);
    parts.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The reason why a lookup does not name the path of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoPath {
    /// The path belongs to the operation, and none was given.
    #[error("on this route, the same key on another path is another operation: name the path in `path`")]
    Missing,
    /// The path does not lead to the route. It would name an operation of another route by the scope of this
    /// one.
    #[error("`path` is not a path of this route; give the path of the request, without its query")]
    OfOtherRoute,
}

impl RouteTable {
    /// Returns the path of an operation that is looked up: the one that is named, or the route's own.
    ///
    /// # Errors
    /// The path is missing, or it is not a path of the route.
    pub fn operation_path<'a>(
        &self,
        route: &'a Arc<Route>,
        named: Option<&'a str>,
    ) -> Result<&'a str, NoPath> {
        let Some(path) = named else {
            let needed = route.scope.contains(&ScopePart::Path) && route.template.has_parameters();
            return if needed { Err(NoPath::Missing) } else { Ok(&route.path) };
        };
        let parsed = path.parse::<PathAndQuery>();
        let is_path = parsed.is_ok_and(|parsed| parsed.path() == path && parsed.query().is_none());
        match is_path && path.starts_with('/') && self.leads_to(route, path) {
            true => Ok(path),
            false => Err(NoPath::OfOtherRoute),
        }
    }
}
