//! Changes of the policy for unknown outcomes, and of its evidence.

use crate::config::units::Span;
use crate::config::{Config, Probe, Route, Settling, UpstreamKeys};

use super::effect::Effect;
use super::evidence::{self, OF_EARLIER_RELEASES};

/// Compares the policies. A record keeps the policy that it was made with.
pub(super) fn effects(about: &str, before: &Route, after: (&Config, &Route)) -> Vec<Effect> {
    let (was, is) = (&before.settling, &after.1.settling);
    match (was, is) {
        (Settling::Hold, Settling::Hold) => Vec::new(),
        (Settling::Retry(was), Settling::Retry(is)) => {
            windows(about, was.as_ref(), is.as_ref()).into_iter().collect()
        }
        (Settling::Probe(was), Settling::Probe(is)) => probes(about, was, is),
        (Settling::Marker(_), Settling::Marker(_)) if before.evidence == after.1.evidence => Vec::new(),
        (Settling::Marker(_), Settling::Marker(_)) => vec![Effect::dangerous(
            about,
            format!(
                "marker: another database or table. {}. {OF_EARLIER_RELEASES}. A reload refuses this change",
                evidence::fate(before, after)
            ),
        )],
        _ => vec![other_policy(about, before, after)],
    }
}

fn other_policy(about: &str, before: &Route, after: (&Config, &Route)) -> Effect {
    let (was, is) = (&before.settling, &after.1.settling);
    let became = format!("on_unknown: {} became {}", name(was), name(is));
    let fate = evidence::fate(before, after);
    match (was, is) {
        (_, Settling::Retry(_)) => Effect::dangerous(
            about,
            format!("{became}: a new operation with an unknown outcome may run more than once. {fate}"),
        ),
        // A policy of "retry" without a window promises less than a probe.
        (Settling::Retry(None), Settling::Probe(_)) => {
            Effect::safe(about, format!("{became}, for new keys. {fate}"))
        }
        (_, Settling::Probe(_)) => Effect::dangerous(
            about,
            format!("{became}: an execution that acts after the upstream was asked may run twice. {fate}"),
        ),
        (_, Settling::Marker(_)) => Effect::safe(
            about,
            format!(
                "{became}, for new keys. {fate}. Where the route had another marker table in a still \
                 earlier file, settle the outcomes of that time first"
            ),
        ),
        (_, Settling::Hold) => Effect::safe(about, format!("{became}, for new keys. {fate}")),
    }
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
            format!("{change}, for new keys; keys in flight keep the window that they were made with"),
        )),
        false => Some(Effect::dangerous(
            about,
            format!("{change}: a new operation may be repeated after the upstream has forgotten its key"),
        )),
    }
}

fn probes(about: &str, was: &Probe, is: &Probe) -> Vec<Effect> {
    let mut effects = Vec::new();
    let decisions = |probe: &Probe| {
        (probe.rules.executed.clone(), probe.rules.not_executed.clone(), probe.rules.when.clone())
    };
    if was.template != is.template {
        let text = format!("probe.url: another question. {}. {OF_EARLIER_RELEASES}", evidence::HELD);
        effects.push(Effect::dangerous(about, text));
    } else if was.headers != is.headers || decisions(was) != decisions(is) {
        let text = "probe: other headers of the question, or another reading of its answers. It decides \
                    about executions of keys in flight, too: an operation that it calls \"not executed\" \
                    runs again";
        effects.push(Effect::dangerous(about, text));
    }
    if was.rules.response != is.rules.response {
        let text = "probe.response: an operation that the probe finds executed is answered from another \
                    place of the answer";
        effects.push(Effect::safe(about, text));
    }
    if is.not_before < was.not_before {
        let text = format!(
            "probe.not_before: {}, before {}: \"not executed\" is believed earlier, and an execution that \
             acts late may run twice",
            Span(is.not_before),
            Span(was.not_before)
        );
        effects.push(Effect::dangerous(about, text));
    }
    if is.timeout < was.timeout {
        let text = format!(
            "probe.timeout: {}, before {}: a later answer of the probe decides nothing",
            Span(is.timeout),
            Span(was.timeout)
        );
        effects.push(Effect::safe(about, text));
    }
    effects
}

fn name(settling: &Settling) -> &'static str {
    match settling {
        Settling::Hold => "\"hold\"",
        Settling::Retry(_) => "\"retry\"",
        Settling::Probe(_) => "\"probe\"",
        Settling::Marker(_) => "\"marker\"",
    }
}
