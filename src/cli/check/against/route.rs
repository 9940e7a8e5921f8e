//! Changes of one route, apart from the names of its operations.

use crate::config::units::{Size, Span};
use crate::config::{Config, OnStoreError, Route};

use super::effect::Effect;
use super::{outcomes, policy};

/// Compares a route with the route that takes its requests in the new configuration.
pub(super) fn effects(old: (&Config, &Route), new: (&Config, &Route)) -> Vec<Effect> {
    let (before, after) = (old.1, new.1);
    let about = match before.name == after.name {
        true => format!("route {:?}", &*before.name),
        false => format!("route {:?}, now {:?}", &*before.name, &*after.name),
    };
    let mut effects = times(&about, before, after);
    effects.extend(fingerprint(&about, before, after));
    effects.extend(outcomes::effects(&about, before, after));
    effects.extend(policy::effects(&about, old, new));
    effects.extend(admission(&about, before, after));
    effects.extend(keeping(&about, before, after));
    effects
}

/// Compares how long a key is remembered. A record keeps the times that it was made with.
fn times(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let (was, is) = (before.policy, after.policy);
    let mut effects = Vec::new();
    let retention = |route: &Route| route.policy.ttl.saturating_add(route.policy.tombstone_ttl);
    let (whole, now) = (Span(retention(before)), Span(retention(after)));
    if now.0 < whole.0 {
        let text = format!(
            "ttl and tombstone_ttl: a new key is remembered for {now}, before {whole}: a retry that comes later runs \
             again. Keys in flight keep their times"
        );
        effects.push(Effect::dangerous(about, text));
    }
    if was.ttl != is.ttl {
        let text = format!(
            "ttl: {}, before {}; a later retry is answered key-expired while the tombstone lasts. Keys in flight keep \
             their times",
            Span(is.ttl),
            Span(was.ttl)
        );
        effects.push(Effect::safe(about, text));
    }
    if was.lease != is.lease || was.response_timeout != is.response_timeout {
        let text = "lease or response_timeout: running executions keep the times that they began with";
        effects.push(Effect::safe(about, text));
    }
    effects
}

fn fingerprint(about: &str, before: &Route, after: &Route) -> Option<Effect> {
    if before.fingerprint == after.fingerprint {
        return None;
    }
    let older = match before.fingerprint.is_first_releases() && !after.fingerprint.is_first_releases() {
        true => ". A gateway of an earlier release cannot compute the new one, and answers record-unreadable",
        false => "",
    };
    let text = "fingerprint: it is made otherwise for new keys. A retry of a key in flight is compared by the scheme \
                of its record, also by gateways with the other file";
    Some(Effect::safe(about, format!("{text}{older}")))
}

/// Compares which requests are protected.
fn admission(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let mut effects = Vec::new();
    let bypasses = |route: &Route| route.on_store_error == OnStoreError::Bypass;
    if bypasses(after) && !bypasses(before) {
        let text = "on_store_error: \"bypass\". While the store does not answer, a retry of a key in flight runs again";
        effects.push(Effect::dangerous(about, text));
    }
    if before.key.required && !after.key.required {
        let text = "key: no longer required; a request without one runs unprotected";
        effects.push(Effect::safe(about, text));
    }
    if before.anonymous && !after.anonymous {
        let text = "anonymous: \"refuse\". A retry that shows no part of the scope is refused (caller-unknown), and \
                    its client does not learn the outcome";
        effects.push(Effect::safe(about, text));
    }
    effects
}

/// Compares what is kept of requests and answers.
fn keeping(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let mut effects = Vec::new();
    if after.max_response_body < before.max_response_body {
        let text = format!(
            "max_response_body: {}, before {}; a larger answer is passed on and not kept",
            Size(after.max_response_body as u64),
            Size(before.max_response_body as u64)
        );
        effects.push(Effect::safe(about, text));
    }
    if before.keep_request && !after.keep_request {
        let text = "keep_request: off; the gateway itself sends no new request again";
        effects.push(Effect::safe(about, text));
    }
    effects
}
