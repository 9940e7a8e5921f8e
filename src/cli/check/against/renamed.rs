//! Changes of the names of routes. A record carries the name of the route that made it. The evidence of a
//! probe or a marker is found by this name, and so are the open outcomes that the gateway settles by itself.

use crate::config::{Config, Route, Settling};

use super::effect::Effect;
use super::evidence;

/// Returns the effect of a route whose name went away, or now belongs to a route for other requests. `after`
/// lists the routes that take its requests.
pub(super) fn effect(before: &Route, after: &[&Route], new: &Config) -> Option<Effect> {
    if after.iter().any(|route| route.name == before.name) {
        return None;
    }
    let about = format!("route {:?}", &*before.name);
    match evidence::named(new, &before.name) {
        Some(other) => {
            let fate = fate(before, "In lists and in metrics, the earlier records have this name, too");
            let text =
                format!("name: it is now that of {}, and was that of {}. {fate}", other.path, before.path);
            Some(match may_mislead(before, other) {
                true => Effect::dangerous(
                    about,
                    format!("{text}. {}. Give the new route another name", evidence::OF_EARLIER_RELEASES),
                ),
                false => Effect::safe(about, text),
            })
        }
        None => {
            let now = after.first()?;
            let fate = fate(before, "In lists and in metrics, records keep the earlier name");
            Some(Effect::safe(about, format!("name: {:?} from now on. {fate}", &*now.name)))
        }
    }
}

/// Returns what becomes of unknown outcomes that were made under a name that no longer leads to their route.
/// `otherwise` is the answer if they do not depend on the name.
fn fate(before: &Route, otherwise: &'static str) -> &'static str {
    match &before.settling {
        Settling::Retry(_) if before.keep_request => {
            "The gateway itself may no longer repeat unknown executions of keys in flight; retries of their \
             clients do"
        }
        Settling::Hold | Settling::Retry(_) => otherwise,
        Settling::Probe(_) | Settling::Marker(_) => {
            "Unknown outcomes of keys in flight are no longer settled by themselves: they wait for an \
             operator"
        }
    }
}

/// Tells whether a gateway that goes by names alone takes evidence of `other` for that of `before`.
fn may_mislead(before: &Route, other: &Route) -> bool {
    let is_of_one_kind = matches!(
        (&before.settling, &other.settling),
        (Settling::Probe(_), Settling::Probe(_)) | (Settling::Marker(_), Settling::Marker(_))
    );
    is_of_one_kind && before.evidence != other.evidence
}
