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

/// Returns what becomes of the unknown outcomes of records that the old route made.
pub(super) fn fate(before: &Route, new: (&Config, &Route)) -> &'static str {
    let (config, after) = new;
    match (&before.settling, &after.settling) {
        (Settling::Hold, _) => HELD,
        (Settling::Retry(_), Settling::Retry(_)) if before.evidence == after.evidence => {
            "A key in flight may still be repeated, as its record says"
        }
        (Settling::Retry(_), _) => {
            "An unknown outcome of a key in flight waits for an operator. One of an earlier release may still be \
             repeated"
        }
        (Settling::Probe(_) | Settling::Marker(_), _) => {
            let holder = named(config, &before.name);
            match holder.is_some_and(|holder| holder.evidence == before.evidence) {
                true => "An unknown outcome of a key in flight is settled as before",
                false => HELD,
            }
        }
    }
}
