//! Warnings about one route.

use http::header::HOST;

use super::outcomes;
use crate::config::units::Span;
use crate::config::{InFlight, Lookup, OnStoreError, Route, Upstream};
use crate::protocol::{BodyScheme, ScopePart, credential};

/// Returns all warnings about this route, for the operator to read before it runs.
pub fn warnings(route: &Route, upstream: Option<&Upstream>) -> Vec<String> {
    let warnings = [
        ttl(route),
        tombstone(route),
        wait(route),
        anonymous(route),
        bodiless(route),
        credential(route),
        host(route, upstream),
        bypass(route),
    ];
    warnings.into_iter().flatten().chain(outcomes::warnings(route)).collect()
}

fn ttl(route: &Route) -> Option<String> {
    let policy = &route.policy;
    let limits = [(policy.lease, "the lease"), (policy.response_timeout, "a call to the upstream may take")];
    let (longest, what) = limits.into_iter().filter(|(limit, _)| policy.ttl < *limit).max()?;
    Some(format!(
        "ttl {} is shorter than {what} ({}); a client that retries after that gets no replay any more",
        Span(policy.ttl),
        Span(longest),
    ))
}

fn tombstone(route: &Route) -> Option<String> {
    let text = format!(
        "tombstone_ttl is 0s: a retry later than {} after completion runs the operation again",
        Span(route.policy.ttl)
    );
    route.policy.tombstone_ttl.is_zero().then_some(text)
}

fn wait(route: &Route) -> Option<String> {
    let InFlight::Wait(wait) = route.in_flight else {
        return None;
    };
    let text = format!(
        "wait_timeout {} is longer than a call to the upstream may take ({}); harmless, but no \
         duplicate waits that long",
        Span(wait),
        Span(route.policy.response_timeout),
    );
    (wait > route.policy.response_timeout).then_some(text)
}

fn bypass(route: &Route) -> Option<String> {
    let text = "on_store_error is \"bypass\": while the store does not answer every attempt runs, and one that \
                is retried runs again";
    (route.on_store_error == OnStoreError::Bypass).then(|| text.into())
}

fn anonymous(route: &Route) -> Option<String> {
    let text = "anonymous is \"one\": callers that show none of the scope's headers share their keys, so one \
                caller's key can be answered with what another caller's request brought";
    route.anonymous.then(|| text.into())
}

fn bodiless(route: &Route) -> Option<String> {
    let text = "fingerprint.body is \"none\": a request with the same key and another body, such as another amount, is \
                answered with the first one's response and does not run";
    (route.fingerprint.body == BodyScheme::None).then(|| text.into())
}

/// Warns of lookups by any client: where callers count as one, the key alone names an operation.
pub fn lookup(route: &Route, lookup: Lookup) -> Option<String> {
    let text = "[lookup] is enabled, and anonymous is \"one\": any client that knows a key, and shows none of the \
                scope's parts but the path, can ask what became of it";
    (lookup.enabled && route.anonymous).then(|| text.into())
}

/// Warns of a scope without a credential. A scope of the path alone is not considered: it is an error without
/// `anonymous`, and the warning about `anonymous` covers it.
fn credential(route: &Route) -> Option<String> {
    let proves = |part: &ScopePart| match part {
        ScopePart::Header(name) => credential::may_be_credential(name),
        ScopePart::ClientCertificate => true,
        ScopePart::Path => false,
    };
    let headers = || route.scope.iter().filter(|part| matches!(part, ScopePart::Header(_)));
    if headers().next().is_none() || route.scope.iter().any(proves) {
        return None;
    }
    let told: Vec<String> = headers().map(ToString::to_string).collect();
    Some(format!(
        "no credential stands in scope ({}): a replay is given without the upstream seeing who asks, so a caller \
         who knows these values, or whose credential was revoked, gets the stored answer. Add the header by which \
         the upstream knows its callers, like \"authorization\"",
        told.join(", ")
    ))
}

/// Warns of replays across hosts. The upstream may be several services, distinguished by the `Host` that they
/// receive.
fn host(route: &Route, upstream: Option<&Upstream>) -> Option<String> {
    let text = "preserve_host is set, and neither scope nor fingerprint.headers has \"host\": one host's \
                answer may be replayed to a request for another";
    let told = upstream.is_some_and(|upstream| upstream.preserve_host);
    let counts = route.scope.contains(&ScopePart::Header(HOST))
        || route.fingerprint.headers.iter().any(|name| name == HOST.as_str());
    (told && !counts).then(|| text.into())
}
