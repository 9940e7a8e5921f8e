//! Changes of the store.

use crate::config::Config;

use super::effect::Effect;

/// The danger of a store that does not know the keys in flight.
const OTHER_DATA: &str = "If it is not the same data under another name, it knows no key in flight, and \
                          each retry runs again";

/// Compares the stores.
pub(super) fn effects(old: &Config, new: &Config) -> Vec<Effect> {
    let changes = old.written.changes_to(&new.written);
    let has = |key: &str| changes.changed.iter().any(|changed| changed == key);
    let mut effects = Vec::new();
    if has("store.url") {
        effects.push(address(old, new));
    }
    for (key, usual) in [("store.prefix", "oncegate:"), ("store.schema", "oncegate")] {
        if has(key) {
            let value = |config: &Config| config.written.text(key).unwrap_or(usual).to_owned();
            let (was, is) = (value(old), value(new));
            if was != is {
                effects.push(Effect::dangerous(key, format!("{is:?}, before {was:?}. {OTHER_DATA}")));
            }
        }
    }
    let replicas = |config: &Config| config.written.number("store.wait_replicas");
    let (was, is) = (replicas(old), replicas(new));
    if is < was {
        let text = format!(
            "{is}, before {was}. A claim or a completion counts on fewer replicas: if Redis fails over \
             and loses it, a retry runs again"
        );
        effects.push(Effect::dangerous("store.wait_replicas", text));
    }
    if has("store.accept_lost") && new.written.is_true("store.accept_lost") {
        let text = "true. After a restart of Redis that lost data, a retry of a lost key runs again";
        effects.push(Effect::dangerous("store.accept_lost", text));
    }
    effects.extend(seal(old, new));
    effects
}

fn address(old: &Config, new: &Config) -> Effect {
    let place = |config: &Config| config.store.settings.place();
    let (was, is) = (place(old), place(new));
    match was == is {
        // Only what is not shown can differ: credentials and parameters.
        true => Effect::safe("store.url", format!("other credentials or parameters for {is}")),
        false => Effect::dangerous("store.url", format!("{is}, before {was}. {OTHER_DATA}")),
    }
}

fn seal(old: &Config, new: &Config) -> Option<Effect> {
    let keys = |config: &Config| config.store.seal.clone();
    let (was, is) = (keys(old), keys(new));
    let gone: Vec<String> = was.into_iter().filter(|key| !is.contains(key)).map(|key| key.id).collect();
    let text = format!(
        "without the key {}, what it sealed cannot be opened: an unknown outcome that needs its kept \
         request waits for an operator",
        gone.join(", ")
    );
    (!gone.is_empty()).then(|| Effect::safe("store.seal", text))
}
