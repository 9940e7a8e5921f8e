//! Changes of the names of operations, as a start and a reload judge them.

use http::Method;

use crate::clock::Timestamp;
use crate::config::{Config, Route};
use crate::protocol::{Entry, EntryName};
use crate::routes::identity::{Conflict, Review, review};

use super::effect::Effect;

/// The comparison of two configurations by the names of operations. The old configuration stands for what the
/// store holds.
pub(super) struct Names {
    known: Vec<Entry>,
    review: Review,
}

impl Names {
    /// Compares two configurations.
    pub fn between(old: &Config, new: &Config) -> Self {
        let now = Timestamp(0);
        let known = review(old, &[], now).entries;
        Self { review: review(new, &known, now), known }
    }

    /// Tells whether [`Names::effects`] says already that no route covers the requests of a route with this
    /// method.
    pub fn say_lost(&self, route: &Route, method: &Method) -> bool {
        let is_own = |entry: &&Entry| entry.template == route.path && entry.method == *method;
        self.known.iter().filter(is_own).any(|entry| {
            self.review.lost.iter().any(|lost| lost.is_same(entry))
                || self.review.accepted.iter().any(|name| entry.is_named(name))
        })
    }

    /// Returns the effects of operations that get other names or no route.
    pub fn effects(&self) -> Vec<Effect> {
        let conflicts = self.review.conflicts.iter().map(conflict);
        let accepted = self.review.accepted.iter().map(|name| {
            let text = "the file accepts that its operations get other names or no route: a retry of a \
                        key in flight may run again. Make this change while no gateway serves";
            Effect::dangerous(name.to_string(), text)
        });
        let lost = self.review.lost.iter().map(|entry| {
            let text = "no route covers it any more: a retry of a key in flight runs unprotected or is \
                        refused. A start and a reload refuse this";
            Effect::dangerous(entry.name().to_string(), text)
        });
        conflicts.chain(accepted).chain(lost).collect()
    }

    /// Returns the effects of names that the new file accepts in addition, although no operation of the old
    /// file has them: the store may hold some.
    pub fn new_acceptances(&self, old: &Config, new: &Config) -> Vec<Effect> {
        let lists = [
            (
                "store.accept_identity_change",
                &old.store.accept_identity_change,
                &new.store.accept_identity_change,
            ),
            ("store.retired", &old.store.retired, &new.store.retired),
        ];
        let mut effects = Vec::new();
        for (key, before, after) in lists {
            let is_new = |name: &&EntryName| {
                !before.contains(name) && !self.review.accepted.iter().any(|told| told.is_like(name))
            };
            effects.extend(after.iter().filter(is_new).map(|name| {
                let text = format!(
                    "{name} is new. If the store holds operations of this name, a retry of one may run \
                     again or unprotected. Make this change while no gateway serves"
                );
                Effect::dangerous(key, text)
            }));
        }
        effects
    }
}

fn conflict(conflict: &Conflict) -> Effect {
    let known = conflict.entry.identity.lines();
    let mut text =
        "its operations get other names, so a retry of a key in flight is a new operation and runs again"
            .to_owned();
    for (_, identity) in &conflict.routes {
        for (was, is) in known.iter().zip(identity.lines()).filter(|(was, is)| *was != is) {
            text.push_str(&format!(". Before: {was}. After: {is}"));
        }
    }
    text.push_str(". A start and a reload refuse this");
    Effect::dangerous(conflict.entry.name().to_string(), text)
}
