//! Rules for the routes: for each route, and among all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::answers::answers;
use self::naming::naming;
use self::overlap::no_overlap;
use self::place::{Place, place};
use super::problems::Shapes;
use super::upstreams::{self, Upstreams};
use super::{limits, problems, settling};
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{EvidenceSource, Route, Settling, UpstreamName};
use crate::protocol::Policy;

mod answers;
mod fingerprint;
mod key;
mod label;
mod naming;
mod outcomes;
mod overlap;
mod place;
mod scope;

/// The parts of the configuration that decide what a route may say.
#[derive(Clone, Copy)]
pub struct Surroundings<'c> {
    /// The upstreams that routes may name.
    pub upstreams: &'c Upstreams,
    /// The shapes of problems that routes may name.
    pub shapes: &'c Shapes,
    /// True if clients present a certificate.
    pub certificates: bool,
    /// True if there is a key that seals kept requests.
    pub sealed: bool,
}

/// Checks all routes, in the order of the file.
pub fn all(
    at: &KeyCursor<'_>,
    files: &[file::Route],
    surroundings: Surroundings<'_>,
) -> Option<Vec<Arc<Route>>> {
    let checked = |(index, file)| route(&at.item(index), file, surroundings).map(Arc::new);
    let routes: Vec<Option<Arc<Route>>> = files.iter().enumerate().map(checked).collect();
    let unique = unique_names(at, files);
    let apart = no_overlap(at, files);
    let routes = routes.into_iter().collect::<Option<_>>()?;
    unique.and(apart)?;
    Some(routes)
}

fn unique_names(at: &KeyCursor<'_>, files: &[file::Route]) -> Option<()> {
    let mut first = BTreeMap::new();
    let mut unique = Some(());
    for (index, file) in files.iter().enumerate() {
        let Some(name) = &file.name else { continue };
        if let Some(earlier) = first.insert(name, index) {
            first.insert(name, earlier);
            unique = at.item(index).key("name").refuse(format!(
                "{name:?} is also the name of routes[{earlier}]; allowed: a name of its own"
            ));
        }
    }
    unique
}

fn route(at: &KeyCursor<'_>, file: &file::Route, surroundings: Surroundings<'_>) -> Option<Route> {
    let Surroundings { upstreams, shapes, certificates, sealed } = surroundings;
    let place = place(at, file);
    let upstream = upstreams::named(&at.key("upstream"), file.upstream.as_deref(), upstreams);
    let naming = naming(at, file, certificates, place.as_ref().map(Place::spellings));
    let longest_call = longest_call(upstream.as_ref(), upstreams);
    let settling = settling::settling(at, file, longest_call);
    let policy = policy(at, file, longest_call, settling.as_ref());
    let keep_request = settling::keep_request(at, file, sealed);
    let retry_horizon = settling::retry_horizon(&at.key("retry_horizon"), file.retry_horizon.as_ref());
    let key = naming.as_ref().map(|naming| &naming.key);
    let problems = problems::named(&at.key("problems"), &file.problems, shapes, key);
    let answers = answers(at, file);
    let url = upstream.as_ref().and_then(|name| Some(&upstreams.get(name)?.as_ref()?.url));
    let evidence = settling.as_ref().zip(url).and_then(|(settling, url)| EvidenceSource::of(settling, url));
    let (place, naming, answers, settling) = (place?, naming?, answers?, settling?);
    let outcomes = match &settling {
        Settling::Retry(Some(keys)) => answers.outcomes.with_about_keys(keys.undecided.clone()),
        _ => answers.outcomes,
    };
    Some(Route {
        name: place.name.into(),
        path: place.path,
        template: place.template,
        matching: place.matching,
        shape: place.shape,
        methods: place.methods,
        upstream: upstream?,
        namespace: naming.namespace,
        key: naming.key,
        scope: naming.scope,
        anonymous: file.anonymous == file::Anonymous::One,
        fingerprint: Arc::new(naming.fingerprint),
        labels: naming.labels,
        policy: policy?,
        settling,
        keep_request: keep_request?,
        retry_horizon: retry_horizon?,
        evidence,
        replay_headers: answers.replay_headers,
        replay_drop: answers.replay_drop,
        in_flight: answers.in_flight,
        max_response_body: answers.max_response_body,
        outcomes,
        problems: problems?,
        release_when: answers.release_when,
        unknown_answers: answers.unknown_answers,
        on_store_error: answers.on_store_error,
    })
}

/// Returns the longest time that one execution can take, connecting included.
fn longest_call(upstream: Option<&UpstreamName>, upstreams: &Upstreams) -> Option<Duration> {
    let upstream = upstreams.get(upstream?)?.as_ref()?;
    Some(upstream.connect_timeout + upstream.response_timeout)
}

fn policy(
    at: &KeyCursor<'_>,
    file: &file::Route,
    longest_call: Option<Duration>,
    settling: Option<&Settling>,
) -> Option<Policy> {
    let ttl = limits::span(&at.key("ttl"), &file.ttl, &limits::TTL);
    let tombstone_ttl = limits::span(&at.key("tombstone_ttl"), &file.tombstone_ttl, &limits::TOMBSTONE_TTL);
    let lease = limits::span(&at.key("lease"), &file.lease, &limits::LEASE);
    Some(Policy {
        on_unknown: settling::on_unknown(settling?),
        lease: lease?,
        response_timeout: longest_call?,
        ttl: ttl?,
        tombstone_ttl: tombstone_ttl?,
    })
}
