//! The entries of the routes that serve now, and how long they may be left as they are.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use crate::clock::Timestamp;
use crate::config::{Config, Match, Route};
use crate::protocol::{Entry, Identity, Pattern, Policy};

/// Shortest and longest time for which a serving gateway may leave its entries as they are.
const REFRESHES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// Time that may pass before a request that has found its route begins to execute: it waits, and its body
/// arrives.
const BEFORE_EXECUTION: Duration = Duration::from_hours(1);

/// Returns how long a gateway with this configuration may leave its entries as they are.
#[must_use]
pub fn refresh_interval(config: &Config) -> Duration {
    let lives = config.routes.iter().map(|route| route.policy.longest_life());
    (lives.min().unwrap_or(REFRESHES.1) / 16).clamp(REFRESHES.0, REFRESHES.1)
}

pub(super) fn own_entries(config: &Config, now: Timestamp) -> impl Iterator<Item = Entry> + '_ {
    let of_route = move |route: &'_ Arc<Route>| {
        let identity = identity_of(route);
        let route = Arc::clone(route);
        let methods = route.methods.clone();
        methods.into_iter().map(move |method| entry_of(config, &route, method, identity.clone(), now))
    };
    config.routes.iter().flat_map(of_route)
}

/// Returns the time for which a response may be replayed that belongs to a request which has just found its
/// route.
#[must_use]
pub fn replay_span(policy: &Policy) -> Duration {
    let spans = [policy.lease, policy.response_timeout, policy.ttl];
    spans.into_iter().fold(BEFORE_EXECUTION, Duration::saturating_add)
}

/// Makes the entry of a route that serves now. The entry lives for the longest life of a record, plus two
/// refresh intervals, because a gateway may refresh it late.
pub(super) fn entry_of(
    config: &Config,
    route: &Route,
    method: Method,
    identity: Identity,
    now: Timestamp,
) -> Entry {
    let (life, late) = (route.policy.longest_life(), 2 * refresh_interval(config));
    Entry {
        method,
        pattern: pattern_of(route),
        template: route.path.clone(),
        identity,
        life,
        until: now.plus(life).plus(late),
        longest_ttl: (route.policy.ttl, now.plus(replay_span(&route.policy)).plus(late)),
        largest_request: config.server.request_body_limit as u64,
        quick_start: config.quick_start,
        accepted: Vec::new(),
        retired: false,
    }
}

/// Returns the pattern of the paths that a route covers.
#[must_use]
pub fn pattern_of(route: &Route) -> Pattern {
    match route.matching {
        Match::Equivalent => Pattern::equivalent(&route.path),
        Match::Exact => Pattern::exact(&route.path),
    }
}

pub(super) fn identity_of(route: &Route) -> Identity {
    Identity::new(&route.namespace, &route.scope, &route.key.source)
}
