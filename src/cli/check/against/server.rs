//! Changes of the file that concern all routes or none.

use crate::config::Config;
use crate::config::units::Size;

use super::effect::Effect;

/// Compares the limits of requests, the fallback and the lookups, and names the keys that only a start reads.
pub(super) fn effects(old: &Config, new: &Config) -> Vec<Effect> {
    let effects = [request_bodies(old, new), fallback(old, new), lookups(old, new), restart(old, new)];
    effects.into_iter().flatten().collect()
}

fn request_bodies(old: &Config, new: &Config) -> Option<Effect> {
    let (was, is) = (old.server.request_body_limit, new.server.request_body_limit);
    let text = format!(
        "{}, before {}. A retry with a larger body may be refused (request-too-large), although its \
         operation was executed",
        Size(is as u64),
        Size(was as u64)
    );
    (is < was).then(|| Effect::dangerous("server.request_body_limit", text))
}

/// Compares what happens to keyed requests that no route covers.
fn fallback(old: &Config, new: &Config) -> Option<Effect> {
    let passes = |config: &Config| config.fallback.as_ref().is_some_and(|fallback| !fallback.refuses_keyed);
    (!passes(old) && passes(new)).then(|| {
        let text = "a request with a key that no route covers was refused, and now streams through \
                    unprotected: its retry runs again";
        Effect::dangerous("fallback", text)
    })
}

fn lookups(old: &Config, new: &Config) -> Option<Effect> {
    let text = "false. A client can no longer ask what became of its key";
    (old.lookup.enabled && !new.lookup.enabled).then(|| Effect::safe("lookup.enabled", text))
}

/// Names the changes that a reload refuses because only a start takes them up.
fn restart(old: &Config, new: &Config) -> Option<Effect> {
    let keys = old.written.changes_to(&new.written).need_restart;
    (!keys.is_empty()).then(|| {
        let text = format!("a reload refuses the file, because only a start takes up: {}", keys.join(", "));
        Effect::safe("restart", text)
    })
}
