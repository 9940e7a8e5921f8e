//! The names of operations in the release that kept no entries yet.
//!
//! The defaults of that release were the route's name as namespace, and a scope of `authorization`. A file
//! could set other values. The namespaces of such a file can be read from its records; its scopes cannot.

use std::collections::BTreeSet;

use http::header::AUTHORIZATION;

use crate::clock::Timestamp;
use crate::config::{Config, Route};
use crate::headers::IDEMPOTENCY_KEY;
use crate::protocol::{Entry, Identity, KeyPlace, KeySource, ScopePart};
use crate::store::RecordedRoute;

use super::entries::{entry_of, identity_of};

/// Returns the entries that the earlier release would have written, as far as its records show.
#[must_use]
pub fn earlier(config: &Config, recorded: &BTreeSet<RecordedRoute>, now: Timestamp) -> Vec<Entry> {
    let mut entries = Vec::new();
    for route in &config.routes {
        for identity in identities(config, route, recorded) {
            let of_method =
                |method: &http::Method| entry_of(config, route, method.clone(), identity.clone(), now);
            entries.extend(route.methods.iter().map(of_method));
        }
    }
    entries
}

/// Returns the identities under which the operations of a route may have been named.
///
/// A record contains the name of the route that it was made under. If the configuration no longer has a route
/// of that name, the record may belong to any route. For this reason, a route without records of its own name
/// is accepted if its identity is that of one of these records.
fn identities(config: &Config, route: &Route, recorded: &BTreeSet<RecordedRoute>) -> Vec<Identity> {
    let scope = [ScopePart::Header(AUTHORIZATION)];
    // That release read keys from one header only.
    let source = match route.key.source.places() {
        [KeyPlace::Header(_)] => &route.key.source,
        _ => &KeySource::header(IDEMPOTENCY_KEY),
    };
    let identity = |namespace: &str| Identity::new(namespace, &scope, source);
    let namespaces = |fits: &dyn Fn(&str) -> bool| {
        let fitting = recorded.iter().filter(|recorded| fits(&recorded.route));
        fitting.map(|recorded| recorded.namespace.clone()).collect::<BTreeSet<_>>()
    };
    let own = namespaces(&|name| name == &*route.name);
    if !own.is_empty() {
        return own.iter().map(|namespace| identity(namespace)).collect();
    }
    let gone = namespaces(&|name| config.routes.iter().all(|route| name != &*route.name));
    let named = identity(&route.name);
    let mut possible: Vec<Identity> = gone.iter().map(|namespace| identity(namespace)).collect();
    if possible.is_empty() {
        return vec![named];
    }
    possible.push(named);
    let now = identity_of(route);
    match possible.iter().position(|identity| *identity == now) {
        Some(kept) => vec![possible.swap_remove(kept)],
        None => {
            possible.pop();
            possible
        }
    }
}
