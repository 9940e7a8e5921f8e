//! The promise at each boundary, with its conditions. "Exactly once" is never promised: a proxy is not part
//! of the upstream's transaction.

use crate::cli::page::Page;
use crate::config::units::Span;
use crate::config::{Config, OnStoreError, Settling, UpstreamKeys};

/// Writes the promise of every boundary under this configuration.
pub(super) fn write(page: &mut Page, config: &Config) {
    page.heading("What is promised, boundary by boundary");
    page.row(
        "client → gateway",
        "Delivery is at-least-once: clients may retry as often as they like, also at the same time.",
    );
    page.row("gateway → store", &gateway_to_store(config));
    for (promise, routes) in promises(config) {
        page.row("gateway → upstream", &format!("{promise} (routes: {})", routes.join(", ")));
    }
    let bypassing = config.routes.iter().filter(|route| route.on_store_error == OnStoreError::Bypass);
    let bypassing: Vec<&str> = bypassing.map(|route| &*route.name).collect();
    if !bypassing.is_empty() {
        let text = "on_store_error = \"bypass\": NONE of this holds while the store does not answer. Attempts are \
                    forwarded unprotected, and a retried operation runs again";
        page.row("gateway → upstream", &format!("{text} (routes: {})", bypassing.join(", ")));
    }
    page.row(
        "gateway → client",
        "Every answer given as stored has the first one's status, body and kept headers until its ttl \
         ends, or is a problem that says what is known. One marked Idempotency-Stored: false may \
         differ from later ones.",
    );
}

/// Returns each promise to upstreams with the names of its routes, in the order of the policies.
fn promises(config: &Config) -> Vec<(String, Vec<&str>)> {
    let mut promises: Vec<(u8, String, Vec<&str>)> = Vec::new();
    for route in &config.routes {
        let (rank, promise) = gateway_to_upstream(&route.settling);
        match promises.iter_mut().find(|(_, said, _)| *said == promise) {
            Some((_, _, names)) => names.push(&route.name),
            None => promises.push((rank, promise, vec![&route.name])),
        }
    }
    promises.sort_by_key(|(rank, ..)| *rank);
    promises.into_iter().map(|(_, promise, names)| (promise, names)).collect()
}

fn gateway_to_store(config: &Config) -> String {
    let settings = &config.store.settings;
    format!(
        "One atomic claim per operation, as long as the store keeps what it acknowledged. Claims and \
         responses are acted on once {} has acknowledged them: {}",
        settings.description(),
        settings.acknowledged()
    )
}

/// Returns the promise of a policy, and its rank among the promises.
fn gateway_to_upstream(settling: &Settling) -> (u8, String) {
    match settling {
        Settling::Hold => (0, HOLD.to_owned()),
        Settling::Retry(Some(keys)) => (1, with_keys(keys)),
        Settling::Retry(None) => (2, RETRY.to_owned()),
        Settling::Probe(_) => (3, PROBE.to_owned()),
        Settling::Marker(_) => (4, MARKER.to_owned()),
    }
}

fn with_keys(keys: &UpstreamKeys) -> String {
    let window = Span(keys.window);
    format!(
        "on_unknown = \"retry\" with upstream_keys: at most once, provided the upstream honours its keys for \
         {window}; after that held as unknown and shown. The conditions of \"hold\" apply, too."
    )
}

const HOLD: &str = "on_unknown = \"hold\": at most once per operation until its tombstone ends, provided the store \
                    keeps what it acknowledged and its clock makes no jump of a ttl or more, the gateways of one store \
                     name operations alike (namespace, place of the key, scope), nothing between gateway and upstream \
                     repeats a request, and every status listed as release, and every header of release_when, is true. \
                     What cannot be decided is held as unknown and shown. An operator who declares \"not executed\" \
                     steps outside this promise.";
const RETRY: &str = "on_unknown = \"retry\": may run more than once, with the same key forwarded; at least once only \
                     if a client keeps retrying until it gets an answer.";
const PROBE: &str = "on_unknown = \"probe\": the upstream is asked what happened before anything runs again; a request \
                     still in flight can execute after it answered.";
const MARKER: &str = "on_unknown = \"marker\": at most one committed effect, and exactly one once a stored success was \
                      answered, for what the upstream's own transaction covers, while the marker table is durable, its \
                      rows are kept, and the upstream fails on a conflict.";
