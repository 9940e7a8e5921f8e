//! `check --config NEW --against OLD`: what the changes from one configuration to another do to keys in
//! flight, that is, to operations that clients may still retry.
//!
//! A change is dangerous if a retry may run its operation again, or may run unprotected, that would not have
//! under the old configuration. Records keep the terms that they were made with (policy, times, and the
//! scheme of the fingerprint), so most changes concern new operations only. What names an operation is not in
//! the record, so a change there makes every retry a new operation.

use crate::cli::page::Page;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::routes::identity::review;

pub use self::effect::Effect;

mod effect;
mod outcomes;
mod pairs;
mod policy;
mod route;

/// Returns the effects of all changes from `old` to `new`.
#[must_use]
pub fn effects(old: &Config, new: &Config) -> Vec<Effect> {
    let mut effects = names(old, new);
    for (before, after) in pairs::pairs(old, new) {
        effects.extend(route::effects((old, before), (new, after)));
    }
    effects.extend(store(old, new));
    effects.extend(fallback(old, new));
    effects.extend(restart(old, new));
    effects
}

/// Compares the names of operations, as a start and a reload do. The old configuration stands for what the
/// store holds.
fn names(old: &Config, new: &Config) -> Vec<Effect> {
    let now = Timestamp(0);
    let known = review(old, &[], now).entries;
    let review = review(new, &known, now);
    let mut effects = Vec::new();
    for conflict in &review.conflicts {
        let names: Vec<String> = conflict.routes.iter().map(|(_, identity)| identity.to_string()).collect();
        let text = format!(
            "its operations get other names, so a retry of a key in flight is a new operation and runs again. \
             Before: {}. After: {}. A start and a reload refuse this",
            conflict.entry.identity,
            names.join("; ")
        );
        effects.push(Effect::dangerous(conflict.entry.name().to_string(), text));
    }
    for name in &review.accepted {
        let text = "the file accepts that its operations get other names or no route: a retry of a key in flight \
                    may run again. Make this change while no gateway serves";
        effects.push(Effect::dangerous(name.to_string(), text));
    }
    for entry in &review.lost {
        let text = "no route covers it any more: a retry of a key in flight runs unprotected or is refused. A \
                    start and a reload refuse this";
        effects.push(Effect::dangerous(entry.name().to_string(), text));
    }
    for name in review.unprotected.iter().filter(|name| review.lost.iter().all(|lost| lost.name() != **name))
    {
        let text = "some of its paths have no route any more and stream to the fallback: a retry of a key in \
                    flight there runs again, unprotected";
        effects.push(Effect::dangerous(name.to_string(), text));
    }
    effects
}

/// Compares the stores.
fn store(old: &Config, new: &Config) -> Vec<Effect> {
    let changes = old.written.changes_to(&new.written);
    let has = |key: &str| changes.changed.iter().any(|changed| changed == key);
    let mut effects = Vec::new();
    if ["store.url", "store.prefix", "store.schema"].into_iter().any(has) {
        let text = format!(
            "{} instead of {}: if it is not the same data under another address, it knows no key in flight, and \
             each retry runs again",
            new.store.settings.place(),
            old.store.settings.place()
        );
        effects.push(Effect::dangerous("store", text));
    }
    if has("store.accept_lost") && new.written.is_true("store.accept_lost") {
        let text =
            "accept_lost = true: after a restart of Redis that lost data, a retry of a lost key runs again";
        effects.push(Effect::dangerous("store", text));
    }
    let ids = |config: &Config| config.store.seal.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
    let (before, after) = (ids(old), ids(new));
    let gone: Vec<String> = before.into_iter().filter(|id| !after.contains(id)).collect();
    if !gone.is_empty() {
        let text = format!(
            "without the key {}, what it sealed cannot be opened: an unknown outcome that needs its kept request \
             waits for an operator",
            gone.join(", ")
        );
        effects.push(Effect::safe("store.seal", text));
    }
    effects
}

/// Compares what happens to keyed requests that no route covers.
fn fallback(old: &Config, new: &Config) -> Option<Effect> {
    let passes = |config: &Config| config.fallback.as_ref().is_some_and(|fallback| !fallback.refuses_keyed);
    (!passes(old) && passes(new)).then(|| {
        let text = "a request with a key that no route covers was refused, and now streams through unprotected: \
                    its retry runs again";
        Effect::dangerous("fallback", text)
    })
}

/// Names the changes that a reload refuses because only a start takes them up.
fn restart(old: &Config, new: &Config) -> Option<Effect> {
    let keys = old.written.changes_to(&new.written).need_restart;
    (!keys.is_empty()).then(|| {
        let text = format!("a reload refuses the file, because only a start takes up: {}", keys.join(", "));
        Effect::safe("restart", text)
    })
}

/// Describes the effects as text, the dangerous ones first.
#[must_use]
pub fn report(effects: &[Effect]) -> String {
    let mut page = Page::default();
    let (dangerous, safe): (Vec<&Effect>, Vec<&Effect>) =
        effects.iter().partition(|effect| effect.is_dangerous);
    if effects.is_empty() {
        page.heading("No change concerns keys in flight.");
        return page.into_text();
    }
    let mut write = |title: String, start: &str, listed: &[&Effect]| {
        if !listed.is_empty() {
            page.heading(&title);
            listed
                .iter()
                .for_each(|Effect { about, text, .. }| page.hanging(start, &format!("{about}: {text}.")));
        }
    };
    write(format!("Dangerous for keys in flight ({})", dangerous.len()), "  ! ", &dangerous);
    write(format!("Other changes ({})", safe.len()), "  - ", &safe);
    page.into_text()
}
