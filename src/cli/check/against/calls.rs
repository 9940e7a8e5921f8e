//! Changes of the upstream that gets new executions, and of what it sees of a repeated one.

use crate::config::units::Size;
use crate::config::{Config, Route, Settling};

use super::effect::Effect;
use super::evidence::{self, OF_EARLIER_RELEASES};

/// Compares the upstreams of a route, and the way of the key to them.
pub(super) fn effects(about: &str, old: (&Config, &Route), new: (&Config, &Route)) -> Vec<Effect> {
    let (before, after) = (old.1, new.1);
    let mut effects = Vec::new();
    if before.key.forward != after.key.forward {
        effects.push(forwarding(about, &before.settling, &after.settling));
    }
    let both = evidence::upstream(old.0, before).zip(evidence::upstream(new.0, after));
    let Some((was, is)) = both else { return effects };
    let name = format!("upstreams.{}", after.upstream.as_str());
    if was.url != is.url {
        let what = match before.upstream.as_str() == after.upstream.as_str() {
            true => format!("{name}.url: another address"),
            false => {
                format!("upstream: {:?}, before {:?}", after.upstream.as_str(), before.upstream.as_str())
            }
        };
        effects.push(moved(about, &what, &before.settling, &after.settling));
    }
    let repeats = matches!((&before.settling, &after.settling), (Settling::Retry(_), Settling::Retry(_)));
    let mut seen = |is_other: bool, key: &str| {
        if is_other && was.url == is.url && repeats {
            let text = format!(
                "{name}.{key}: an upstream that tells callers apart by it does not recognise a repeated \
                 execution of a key in flight, and runs it again"
            );
            effects.push(Effect::dangerous(about, text));
        }
    };
    seen(was.identity != is.identity, "identity");
    seen(was.preserve_host != is.preserve_host, "preserve_host");
    if is.response_head_limit < was.response_head_limit {
        let text = format!(
            "{name}.response_head_limit: {}, before {}: an answer with a larger head leaves its outcome unknown",
            Size(is.response_head_limit as u64),
            Size(was.response_head_limit as u64)
        );
        effects.push(Effect::safe(about, text));
    }
    if was.rewrite_location != is.rewrite_location {
        let text = format!(
            "{name}.rewrite_location: Location and Content-Location of answers name another host, also in \
             replays of keys in flight"
        );
        effects.push(Effect::safe(about, text));
    }
    effects
}

fn forwarding(about: &str, was: &Settling, is: &Settling) -> Effect {
    let text = "key: it goes to the upstream in another form or header";
    match (was, is) {
        (Settling::Retry(_), Settling::Retry(_)) => Effect::dangerous(
            about,
            format!(
                "{text}. The upstream does not recognise a repeated execution of a key in flight, and runs it again"
            ),
        ),
        (_, Settling::Probe(probe)) if probe.template.placeholders().iter().any(|name| name == "key") => {
            Effect::dangerous(
                about,
                format!(
                    "{text}, and the probe still asks for the key itself. If it does not find an \
                     execution under this form, it answers \"not executed\", and a retry runs again"
                ),
            )
        }
        _ => Effect::safe(about, format!("{text}; the gateway's own records do not depend on it")),
    }
}

fn moved(about: &str, what: &str, was: &Settling, is: &Settling) -> Effect {
    let (is_dangerous, effect) = match (was, is) {
        (Settling::Retry(_), _) => (true, format!("{}. {OF_EARLIER_RELEASES}", evidence::HELD)),
        (_, Settling::Probe(_)) => (
            true,
            "If the probe asks an upstream that does not know the executions, it answers \"not \
             executed\", and they run again"
                .to_owned(),
        ),
        (_, Settling::Marker(_)) => (
            true,
            "If it does not write to the same marker table, a fence says nothing about its executions, \
             and they may run again"
                .to_owned(),
        ),
        (_, Settling::Hold | Settling::Retry(_)) => (
            false,
            "Running executions end where they began; keys that are free go to the new address".to_owned(),
        ),
    };
    Effect::of(is_dangerous, about, format!("{what}. {effect}"))
}
