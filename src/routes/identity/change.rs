//! The check of a configuration that replaces another one while the gateway serves.
//!
//! Operations run meanwhile, and their clients retry. Therefore a reload takes up less than a start does:
//!
//! * It accepts no other names and no lost route, even where `[store]` lists them: these lists hold for a
//!   start alone. Acceptances that the store already holds count. So do differences between the store and the
//!   configuration in force, which a change does not make: another gateway of the fleet has another file.
//! * It leaves no path of an operation to a fallback that takes keys, unless the configuration in force left it
//!   there already.

use super::{Conflict, NamesRefusal, Review, is_exposed, is_seen_by_fallback, review};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::protocol::{Entry, Identity};

/// Compares the configuration `new` with the entries of a store and with the configuration in force. Returns
/// the reason why it must not replace the one in force, if there is one.
///
/// The entries of the configuration in force count even if the store has lost them.
#[must_use]
pub fn review_change(
    current: &Config,
    new: &Config,
    known: &[Entry],
    now: Timestamp,
) -> (Review, Option<NamesRefusal>) {
    let present = review(&without_acceptances(current), known, now);
    let (known, review) = (&present.entries, review(&without_acceptances(new), &present.entries, now));
    let is_new = |entry: &&Entry| is_exposed(new, entry) && !is_exposed(current, entry);
    let exposed: Vec<Entry> = known.iter().filter(is_new).cloned().collect();
    let refusal = NamesRefusal {
        conflicts: review.conflicts.iter().filter(|found| !has_conflict(&present, found)).cloned().collect(),
        lost: review.lost.iter().filter(|found| !has_lost(&present, found)).cloned().collect(),
        can_refuse: exposed.iter().all(|entry| is_seen_by_fallback(new, entry)),
        exposed,
        from_earlier: false,
        without_file: new.quick_start,
        while_serving: true,
    };
    let is_fine = refusal.conflicts.is_empty() && refusal.lost.is_empty() && refusal.exposed.is_empty();
    (review, (!is_fine).then_some(refusal))
}

/// Tells whether the configuration in force already names these operations otherwise, and in the same way.
fn has_conflict(present: &Review, found: &Conflict) -> bool {
    let is_there = |(_, identity): &(_, Identity), other: &Conflict| {
        other.routes.iter().any(|(_, present)| present == identity)
    };
    let is_like = |other: &&Conflict| other.entry.is_same(&found.entry);
    present
        .conflicts
        .iter()
        .find(is_like)
        .is_some_and(|other| found.routes.iter().all(|route| is_there(route, other)))
}

/// Tells whether the configuration in force already has no route for an entry.
fn has_lost(present: &Review, found: &Entry) -> bool {
    present.lost.iter().any(|entry| entry.is_same(found))
}

fn without_acceptances(config: &Config) -> Config {
    let mut config = config.clone();
    config.store.accept_identity_change.clear();
    config.store.retired.clear();
    config
}
