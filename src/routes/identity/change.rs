//! The check of a configuration that replaces another one while the gateway serves.
//!
//! Operations run meanwhile, and their clients retry. Therefore a reload takes up less than a start does:
//!
//! * It accepts no other names and no lost route, even where `[store]` lists them: these lists hold for a
//!   start alone. Acceptances that the store already holds count.
//! * It leaves no path of an operation to a fallback that takes keys, unless the configuration in force left it
//!   there already.

use super::{NamesRefusal, Review, is_exposed, review};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::protocol::Entry;

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
    let known = review(&without_acceptances(current), known, now).entries;
    let review = review(&without_acceptances(new), &known, now);
    let is_new = |entry: &&Entry| is_exposed(new, entry) && !is_exposed(current, entry);
    let exposed: Vec<Entry> = known.iter().filter(is_new).cloned().collect();
    let refusal = NamesRefusal {
        conflicts: review.conflicts.clone(),
        lost: review.lost.clone(),
        exposed,
        from_earlier: false,
        without_file: new.quick_start,
    };
    let is_fine = refusal.conflicts.is_empty() && refusal.lost.is_empty() && refusal.exposed.is_empty();
    (review, (!is_fine).then_some(refusal))
}

fn without_acceptances(config: &Config) -> Config {
    let mut config = config.clone();
    config.store.accept_identity_change.clear();
    config.store.retired.clear();
    config
}
