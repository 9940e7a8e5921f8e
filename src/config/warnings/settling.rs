//! Warnings about the evidence for unknown outcomes.

use std::net::IpAddr;

use http::Uri;

use crate::config::units::Span;
use crate::config::{Marker, Probe, Route, Settling, UpstreamKeys};
use crate::protocol::credential;

/// Returns the warnings about the evidence of a route. `sealed` says whether there is a key that seals what
/// is kept of requests.
pub fn warnings(route: &Route, sealed: bool) -> Vec<String> {
    let mut warnings: Vec<Option<String>> = vec![horizon(route)];
    match &route.settling {
        Settling::Hold => {}
        Settling::Retry(Some(keys)) => warnings.push(never_an_answer(keys)),
        Settling::Retry(None) if route.keep_request => {
            warnings.push(Some(format!(
                "{REPEATED}. With keep_request the gateway itself runs it again, up to four times in all"
            )));
        }
        Settling::Retry(None) => warnings.push(Some(REPEATED.to_owned())),
        Settling::Probe(probe) => {
            warnings.extend([readable(probe, sealed), overheard(probe), refused(probe)])
        }
        Settling::Marker(marker) => warnings.push(unverified(marker)),
    }
    warnings.into_iter().flatten().collect()
}

/// Warns of successes that a repeated execution could never bring. 202 may say that the first request still
/// runs.
fn never_an_answer(keys: &UpstreamKeys) -> Option<String> {
    let success = keys.undecided.iter().find(|status| (200..300).contains(*status) && **status != 202)?;
    Some(format!(
        "upstream_keys.undecided has {success}: where a repeated execution answers {success}, its outcome stays \
         unknown, although that is a success"
    ))
}

const REPEATED: &str = "on_unknown is \"retry\" without upstream_keys: an operation with an unknown outcome may run more \
                        than once. Where the upstream recognises keys, upstream_keys = { window = \"…\" } says for how \
                        long";

/// Compares the time for which a key is known with twice the time over which its request may come again.
fn horizon(route: &Route) -> Option<String> {
    let declared = route.retry_horizon?.sum();
    let kept = route.policy.ttl.saturating_add(route.policy.tombstone_ttl);
    let text = format!(
        "ttl and tombstone_ttl are {} together, less than twice the retry_horizon of {}: a request that comes again \
         late may find its key forgotten, and runs again",
        Span(kept),
        Span(declared)
    );
    (kept < declared.saturating_mul(2)).then_some(text)
}

fn readable(probe: &Probe, sealed: bool) -> Option<String> {
    let kept = probe.template.placeholders();
    let text = format!(
        "the probe keeps {} of each request readable in the store until its operation is settled; [store] seal \
         seals it",
        kept.join(" and ")
    );
    (!sealed && !kept.is_empty()).then_some(text)
}

/// Warns of a credential that crosses a network without TLS.
fn overheard(probe: &Probe) -> Option<String> {
    let (origin, headers) = (probe.template.origin(), &probe.headers);
    let (name, _) = headers.iter().find(|(name, _)| credential::may_be_credential(name))?;
    let text = format!(
        "the probe sends {name} to {origin} without TLS, so anyone on the network there can read it; write https://"
    );
    (origin.scheme_str() == Some("http") && !is_loopback(&origin)).then_some(text)
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let address = host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    address || host == "localhost" || host.ends_with(".localhost")
}

/// Warns of statuses that refuse the question itself, or fail to answer it.
fn refused(probe: &Probe) -> Option<String> {
    let is_refusal = |status: &u16| matches!(status, 401 | 403 | 407 | 408 | 425 | 429 | 500..);
    let listed = probe.rules.not_executed.iter().filter(|status| is_refusal(status));
    let listed: Vec<String> = listed.map(ToString::to_string).collect();
    let text = format!(
        "probe.not_executed has {}, with which an upstream refuses the question or fails to answer it: an executed \
         operation would run AGAIN",
        listed.join(", ")
    );
    (!listed.is_empty()).then_some(text)
}

fn unverified(marker: &Marker) -> Option<String> {
    let text = "the marker's URL has no sslmode=verify-full, so anyone on the network to that Postgres can read and \
                answer in its place: a forged answer runs an operation again";
    (!marker.is_verified).then(|| text.into())
}
