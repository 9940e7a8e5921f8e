//! The check that a configuration names operations as the store knows them.
//!
//! Each [`Entry`] of a store is compared with the routes that now win its paths. A route that names the
//! operations differently is a [`Conflict`], because a retry of a stored operation would run again. An entry
//! is lost if no route covers its paths. An operator accepts a conflict or a loss by naming the entry in
//! `[store]`. Two routes of one configuration may name their operations differently.
//!
//! This module is pure. The assembly reads the store, and writes the entries of [`Review::entries`].

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::{Config, Match, Route};
use crate::headers::IDEMPOTENCY_KEY;
use crate::protocol::{Entry, EntryName, KeySource};

pub use self::change::review_change;
pub use self::earlier::earlier;
pub use self::entries::{pattern_of, refresh_interval, replay_span};
pub use self::refusal::{Conflict, NamesRefusal};

use self::entries::{identity_of, own_entries};

mod change;
mod earlier;
mod entries;
mod refusal;

/// The result of comparing a configuration with the entries of a store.
#[derive(Clone, Debug, Default)]
pub struct Review {
    /// The entries that the store has to hold while this configuration serves.
    pub entries: Vec<Entry>,
    /// The entries with operations that now have other names, without an operator's acceptance.
    pub conflicts: Vec<Conflict>,
    /// The entries that no route covers, without an operator's acceptance.
    pub lost: Vec<Entry>,
    /// The entries that an operator accepted in this configuration.
    pub accepted: Vec<EntryName>,
    /// The entries with paths that now stream to the fallback, unprotected.
    pub unprotected: Vec<EntryName>,
}

/// Compares a configuration with the entries of a store. `now` is the time on the store's clock.
#[must_use]
pub fn review(config: &Config, known: &[Entry], now: Timestamp) -> Review {
    let mut standing: Vec<Entry> = Vec::new();
    for entry in known.iter().filter(|entry| now < entry.until) {
        match standing.iter_mut().find(|other| other.is_same(entry)) {
            Some(other) => other.merge(entry),
            None => standing.push(entry.clone()),
        }
    }
    let mut review = Review::default();
    for entry in &standing {
        let judged = review.judge(config, &standing, entry.clone());
        review.entries.push(judged);
    }
    for own in own_entries(config, now) {
        review.serve(own, now, refresh_interval(config));
    }
    review
}

/// Returns the entries, and prolongs the lives of those in lingering namespaces: they are counted from `now`.
/// Executions of these namespaces were cut off, and their records begin to age only now.
#[must_use]
pub fn prolonged(known: &[Entry], now: Timestamp, is_lingering: impl Fn(&str) -> bool) -> Vec<Entry> {
    let prolong = |entry: &Entry| match is_lingering(&entry.identity.namespace) {
        true => Entry { until: entry.until.max(now.plus(entry.life)), ..entry.clone() },
        false => entry.clone(),
    };
    known.iter().map(prolong).collect()
}

impl Review {
    /// Returns the reason why a gateway with this configuration must not start, if there is one.
    /// `from_earlier` says that the entries were not read but are the assumed entries of an earlier release.
    #[must_use]
    pub fn refusal(&self, config: &Config, from_earlier: bool) -> Option<NamesRefusal> {
        let is_fine = self.conflicts.is_empty() && self.lost.is_empty();
        (!is_fine).then(|| NamesRefusal {
            conflicts: self.conflicts.clone(),
            lost: self.lost.clone(),
            exposed: Vec::new(),
            can_refuse: false,
            from_earlier,
            without_file: config.quick_start,
            while_serving: false,
        })
    }

    /// Returns the entry with the changes that an operator accepted, and notes the changes that no operator
    /// accepted.
    fn judge(&mut self, config: &Config, standing: &[Entry], mut entry: Entry) -> Entry {
        let winners = winners(&config.routes, &entry);
        let (accepted, retired) = (&config.store.accept_identity_change, &config.store.retired);
        let rivals = winners.iter().filter(|route| is_rival(route, &entry, standing));
        let is_accepted = |route: &&&Route| {
            let change = entry.change(&route.path);
            accepted.iter().any(|name| change.is_like(name))
        };
        let (agreed, refused): (Vec<&&Route>, Vec<&&Route>) = rivals.partition(is_accepted);
        if is_exposed(config, &entry) {
            self.unprotected.push(entry.name());
        }
        if !refused.is_empty() {
            let mut names: Vec<EntryName> = refused.iter().map(|route| entry.change(&route.path)).collect();
            names.dedup();
            let routes = refused.iter().map(|route| (Arc::clone(&route.name), identity_of(route)));
            self.conflicts.push(Conflict { entry: entry.clone(), routes: routes.collect(), names });
        }
        if !agreed.is_empty() {
            self.accepted.push(entry.name());
        }
        for route in agreed {
            entry.accept(&pattern_of(route), &identity_of(route));
        }
        if !winners.is_empty() || entry.quick_start || entry.retired {
            return entry;
        }
        if retired.iter().any(|name| entry.is_named(name)) {
            self.accepted.push(entry.name());
            entry.retired = true;
        } else {
            self.lost.push(entry.clone());
        }
        entry
    }

    /// Adds an entry of a serving route, or prolongs the entry that is there already. An entry that is to
    /// last for less than `interval` longer is left as it is.
    fn serve(&mut self, own: Entry, now: Timestamp, interval: Duration) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.is_same(&own)) else {
            return self.entries.push(own);
        };
        // Gateways of a fleet with different times or spellings must not overwrite each other's entries in
        // turn.
        if entry.until.plus(interval) <= own.until {
            (entry.until, entry.template) = (own.until, own.template);
        }
        let ((ttl, until), (own_ttl, own_until)) = (entry.longest_ttl, own.longest_ttl);
        if own_ttl > ttl || until <= now || (own_ttl == ttl && until.plus(interval) <= own_until) {
            entry.longest_ttl = own.longest_ttl;
        }
        entry.life = entry.life.max(own.life);
        entry.largest_request = entry.largest_request.max(own.largest_request);
        entry.quick_start &= own.quick_start;
        entry.retired = false;
    }
}

/// Tells whether a route names the operations of an entry differently, without an operator's acceptance.
fn is_rival(route: &Route, entry: &Entry, standing: &[Entry]) -> bool {
    let (identity, pattern) = (identity_of(route), pattern_of(route));
    if identity == entry.identity || entry.accepts_change_to(&pattern, &identity) {
        return false;
    }
    // If a more exact route existed before, it won these paths before, unless they became this entry's since
    // then. A route that compared paths exactly did not win their other spellings.
    let is_old = pattern.is_more_exact(&entry.pattern)
        && standing.iter().any(|other| {
            other.method == entry.method
                && other.pattern.is_like(&pattern)
                && (other.pattern == pattern || !other.pattern.is_exact())
                && !other.accepts_change_to(&entry.pattern, &entry.identity)
        });
    !is_old
}

/// Tells whether some paths of an entry stream to the fallback, unprotected. Paths that an operator gave up
/// do not count.
fn is_exposed(config: &Config, entry: &Entry) -> bool {
    let refuses = |refuses_keyed| refuses_keyed && is_seen_by_fallback(config, entry);
    let streams = config.fallback.as_ref().is_some_and(|fallback| !refuses(fallback.refuses_keyed));
    let is_covered =
        || winners(&config.routes, entry).iter().any(|route| pattern_of(route).covers(&entry.pattern));
    streams && !entry.retired && !is_covered()
}

/// Tells whether the fallback sees the keys of an entry's operations: keys in headers that a route of this
/// configuration has, or in the usual header. It sees no key in a body.
fn is_seen_by_fallback(config: &Config, entry: &Entry) -> bool {
    let is_key_of = |source: &KeySource| !source.reads_body() && source.to_string() == entry.identity.key;
    is_key_of(&KeySource::header(IDEMPOTENCY_KEY))
        || config.routes.iter().any(|route| is_key_of(&route.key.source))
}

/// Returns the routes that win some of the paths of an entry.
fn winners<'r>(routes: &'r [Arc<Route>], entry: &Entry) -> Vec<&'r Route> {
    let with_method = || routes.iter().map(Arc::as_ref).filter(|route| route.methods.contains(&entry.method));
    let wins = |route: &&Route| {
        let pattern = pattern_of(route);
        let is_hidden = with_method().any(|other| {
            let (as_wide, better) =
                (other.matching == Match::Equivalent || route.matching == Match::Exact, pattern_of(other));
            let is_taken = match as_wide {
                true => better.covers_overlap(&entry.pattern, &pattern),
                // The route wins all other spellings of these paths.
                false => entry.pattern.is_exact() && better.covers(&entry.pattern),
            };
            is_taken && other.template.is_more_exact(&route.template)
        });
        pattern.overlaps(&entry.pattern) && !is_hidden
    };
    with_method().filter(wins).collect()
}

#[cfg(test)]
mod tests;
