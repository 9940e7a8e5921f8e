//! Changes of what happens to an unknown outcome.

use crate::config::units::Span;
use crate::config::{Config, Probe, Route, Settling, UpstreamKeys};

use super::effect::Effect;

/// What becomes of the unknown outcomes of earlier records when the policy of their route changes.
const HELD: &str = "an unknown outcome of a key in flight is held until an operator decides it";

/// Compares the policies, and what they rely on.
pub(super) fn effects(about: &str, old: (&Config, &Route), new: (&Config, &Route)) -> Vec<Effect> {
    let (before, after) = (old.1, new.1);
    let mut effects: Vec<Effect> = change(about, &before.settling, &after.settling).into_iter().collect();
    let address = |(config, route): (&Config, &Route)| {
        config.upstreams.get(&route.upstream).map(|upstream| upstream.url.clone())
    };
    if address(old) != address(new) {
        effects.push(moved_upstream(about, &after.settling));
    }
    if before.key.forward != after.key.forward {
        effects.push(forwarding(about, &after.settling));
    }
    effects
}

fn forwarding(about: &str, settling: &Settling) -> Effect {
    let text = "key: it goes to the upstream in another form or header";
    match settling {
        Settling::Retry(_) => Effect::dangerous(
            about,
            format!("{text}, so the upstream does not recognise a repeated execution of a key in flight"),
        ),
        _ => Effect::safe(about, format!("{text}; the gateway's own records do not depend on it")),
    }
}

fn moved_upstream(about: &str, settling: &Settling) -> Effect {
    match settling {
        Settling::Retry(_) => Effect::dangerous(
            about,
            "upstream: another address. Under on_unknown = \"retry\" an unknown execution is repeated there, and an \
             upstream that does not know the first one runs it again",
        ),
        Settling::Probe(_) => Effect::dangerous(
            about,
            "upstream: another address. If the probe asks an upstream that does not know earlier executions, it \
             answers \"not executed\", and they run again",
        ),
        Settling::Marker(_) => Effect::dangerous(
            about,
            "upstream: another address. If it does not write to the same marker table, a fence says nothing about its \
             executions",
        ),
        Settling::Hold => Effect::safe(
            about,
            "upstream: another address. Running executions end where they began; keys that are free go to the new one",
        ),
    }
}

/// Compares two policies. Records keep the policy that they were made with. Where the new configuration has no
/// evidence for it, their unknown outcomes are held.
fn change(about: &str, before: &Settling, after: &Settling) -> Option<Effect> {
    let became = format!("on_unknown: {} became {}", name(before), name(after));
    Some(match (before, after) {
        (Settling::Hold, Settling::Hold) => return None,
        (Settling::Retry(was), Settling::Retry(is)) => return windows(about, was.as_ref(), is.as_ref()),
        (Settling::Probe(was), Settling::Probe(is)) => return probes(about, was, is),
        (Settling::Marker(was), Settling::Marker(is)) if was == is => return None,
        (Settling::Marker(_), Settling::Marker(_)) => Effect::dangerous(
            about,
            "marker: another database or table. A fence there says nothing about the executions that were sent \
             before, and they may run again. Settle all unknown outcomes first; a reload refuses this change",
        ),
        (Settling::Retry(_), Settling::Hold | Settling::Marker(_)) => Effect::safe(
            about,
            format!("{became}, for new keys; a key in flight may still be repeated, as its record says"),
        ),
        (_, Settling::Hold | Settling::Marker(_)) => {
            Effect::safe(about, format!("{became}, for new keys; {HELD}"))
        }
        (_, Settling::Retry(_)) => Effect::dangerous(
            about,
            format!("{became}: a new operation with an unknown outcome may run more than once; {HELD}"),
        ),
        (_, Settling::Probe(_)) => Effect::dangerous(
            about,
            format!("{became}: an execution that acts after the upstream was asked may run twice; {HELD}"),
        ),
    })
}

fn windows(about: &str, was: Option<&UpstreamKeys>, is: Option<&UpstreamKeys>) -> Option<Effect> {
    let text =
        |keys: Option<&UpstreamKeys>| keys.map_or("none".to_owned(), |keys| Span(keys.window).to_string());
    let (before, after) = (was.map(|keys| keys.window), is.map(|keys| keys.window));
    let change = format!("upstream_keys: window {}, before {}", text(is), text(was));
    let is_shorter = after.is_some_and(|after| before.is_none_or(|before| after < before));
    match is_shorter {
        _ if before == after => None,
        true => Some(Effect::safe(
            about,
            format!("{change}; keys in flight keep the window that they were made with"),
        )),
        false => Some(Effect::dangerous(
            about,
            format!("{change}: a new operation may be repeated after the upstream has forgotten its key"),
        )),
    }
}

fn probes(about: &str, was: &Probe, is: &Probe) -> Option<Effect> {
    if was.template != is.template || was.rules != is.rules || was.headers != is.headers {
        return Some(Effect::dangerous(
            about,
            "probe: another question, or another reading of its answers. It decides about executions that were sent \
             before: an operation that it calls \"not executed\" runs again",
        ));
    }
    let text = format!(
        "probe: \"not executed\" is believed {} after the deadline, before {}: an execution that acts late may run \
         twice",
        Span(is.not_before),
        Span(was.not_before)
    );
    (is.not_before < was.not_before).then(|| Effect::dangerous(about, text))
}

fn name(settling: &Settling) -> &'static str {
    match settling {
        Settling::Hold => "\"hold\"",
        Settling::Retry(_) => "\"retry\"",
        Settling::Probe(_) => "\"probe\"",
        Settling::Marker(_) => "\"marker\"",
    }
}
