//! The evidence about unknown outcomes, in the new configuration, that records of the old one rely on.

use crate::config::{Config, Route, Settling, Upstream};

/// The danger of records that do not say where their evidence is.
pub(super) const OF_EARLIER_RELEASES: &str = "A record of an earlier release does not say where its \
                                              evidence is: settle such unknown outcomes first, or a retry \
                                              may run again";
/// What becomes of an unknown outcome without evidence.
pub(super) const HELD: &str = "An unknown outcome of a key in flight waits for an operator";

/// Returns the route with this name.
pub(super) fn named<'c>(config: &'c Config, name: &str) -> Option<&'c Route> {
    config.routes.iter().map(|route| &**route).find(|route| *route.name == *name)
}

/// Returns the upstream of a route.
pub(super) fn upstream<'c>(config: &'c Config, route: &Route) -> Option<&'c Upstream> {
    config.upstreams.get(&route.upstream)
}

/// Tells whether both ask the same probe or the same marker table.
pub(super) fn is_same(was: &Settling, is: &Settling) -> bool {
    match (was, is) {
        (Settling::Probe(was), Settling::Probe(is)) => was.template == is.template,
        // A table is the same one for all credentials.
        (Settling::Marker(was), Settling::Marker(is)) => (&was.shown, &was.table) == (&is.shown, &is.table),
        _ => false,
    }
}

/// Returns what becomes of the unknown outcomes of records that the old route made.
pub(super) fn fate(old: (&Config, &Route), new: (&Config, &Route)) -> &'static str {
    let (before, after) = (old.1, new.1);
    let address = |(config, route)| upstream(config, route).map(|upstream| &upstream.url);
    match (&before.settling, &after.settling) {
        (Settling::Hold, _) => HELD,
        (Settling::Retry(_), Settling::Retry(_)) if address(old) == address(new) => {
            "A key in flight may still be repeated, as its record says"
        }
        (Settling::Retry(_), _) => {
            "An unknown outcome of a key in flight waits for an operator. One of an earlier release may still be \
             repeated"
        }
        (Settling::Probe(_) | Settling::Marker(_), _) => {
            let holder = named(new.0, &before.name);
            match holder.is_some_and(|holder| is_same(&before.settling, &holder.settling)) {
                true => "An unknown outcome of a key in flight is settled as before",
                false => HELD,
            }
        }
    }
}
