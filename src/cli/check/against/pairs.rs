//! Which route of a new configuration takes the requests of a route of the old one.

use std::sync::Arc;

use crate::config::{Config, Route};
use crate::routes::identity::pattern_of;

/// Returns each old route with the new route that takes its requests: the one with the same pattern, else the
/// one with its name, else the first one that shares a path. An old route without such a route is left out.
pub(super) fn pairs<'c>(old: &'c Config, new: &'c Config) -> Vec<(&'c Route, &'c Route)> {
    let pair = |before: &'c Arc<Route>| after(before, new).map(|after| (&**before, after));
    old.routes.iter().filter_map(pair).collect()
}

fn after<'c>(before: &Route, new: &'c Config) -> Option<&'c Route> {
    let pattern = pattern_of(before);
    let shares = |route: &&Arc<Route>| {
        route.methods.iter().any(|method| before.methods.contains(method))
            && pattern_of(route).overlaps(&pattern)
    };
    let candidates = || new.routes.iter().filter(shares);
    let same = candidates().find(|route| pattern_of(route).is_like(&pattern));
    let named = || candidates().find(|route| route.name == before.name);
    same.or_else(named).or_else(|| candidates().next()).map(|route| &**route)
}
