//! The promise at each boundary, with its conditions. "Exactly once" is never promised: a proxy is not part
//! of the upstream's transaction.

use crate::cli::page::Page;
use crate::config::{Config, OnStoreError, Route};
use crate::protocol::OnUnknown;

/// Writes the promise of every boundary under this configuration.
pub(super) fn write(page: &mut Page, config: &Config) {
    page.heading("What is promised, boundary by boundary");
    page.row(
        "client → gateway",
        "Delivery is at-least-once: clients may retry as often as they like, also at the same time.",
    );
    page.row("gateway → store", &gateway_to_store(config));
    for policy in [OnUnknown::Hold, OnUnknown::Retry { window: None }, OnUnknown::Probe, OnUnknown::Marker] {
        let routes: Vec<&str> = routes_with(config, policy).map(|route| &*route.name).collect();
        if !routes.is_empty() {
            let text = format!("{} (routes: {})", gateway_to_upstream(policy), routes.join(", "));
            page.row("gateway → upstream", &text);
        }
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

fn routes_with(config: &Config, policy: OnUnknown) -> impl Iterator<Item = &Route> {
    config.routes.iter().map(|route| &**route).filter(move |route| {
        std::mem::discriminant(&route.policy.on_unknown) == std::mem::discriminant(&policy)
    })
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

fn gateway_to_upstream(policy: OnUnknown) -> &'static str {
    match policy {
        OnUnknown::Hold => {
            "on_unknown = \"hold\": at most once per operation until its tombstone ends, provided the store \
             keeps what it acknowledged and its clock makes no jump of a ttl or more, the gateways of one store \
             name operations alike (namespace, key header and scope), nothing between gateway and upstream \
             repeats a request, and every status listed as release is true. What cannot be decided is held as unknown and \
             shown. An operator who declares \"not executed\" steps outside this promise."
        }
        OnUnknown::Retry { .. } => {
            "on_unknown = \"retry\": may run more than once, with the same key forwarded; at least once \
             only if a client keeps retrying until it gets an answer."
        }
        OnUnknown::Probe => {
            "on_unknown = \"probe\": the upstream is asked what happened before anything runs again; a \
             request still in flight can execute after it answered."
        }
        OnUnknown::Marker => {
            "on_unknown = \"marker\": at most one committed effect, and exactly one once a stored success \
             was answered, for what the upstream's own transaction covers, while the marker table is \
             durable, its rows are kept, and the upstream fails on a conflict."
        }
    }
}
