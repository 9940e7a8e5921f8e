//! Rules for unknown outcomes: each policy has keys of its own, which are refused beside another policy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::limits;
use super::upstreams::Upstreams;
use crate::config::file::{self, OnUnknown};
use crate::config::mistakes::KeyCursor;
use crate::config::units::Span;
use crate::config::{Marker, RetryHorizon, Route, Settling, Upstream, UpstreamKeys, UpstreamName};
use crate::protocol;

mod probe;

/// Checks the policy of a route, and the keys of all policies. `longest_call` is the longest time that one
/// execution can take.
pub fn settling(at: &KeyCursor<'_>, file: &file::Route, longest_call: Option<Duration>) -> Option<Settling> {
    let apart = only_its_own_keys(at, file);
    let settling = match file.on_unknown {
        OnUnknown::Hold => Some(Settling::Hold),
        OnUnknown::Retry => keys(&at.key("upstream_keys"), file.upstream_keys.as_ref(), longest_call),
        OnUnknown::Probe => {
            let at = at.key("probe");
            let file_probe = at.require(file.probe.as_ref(), NO_PROBE);
            let route = file.name.as_deref().unwrap_or_default();
            file_probe.and_then(|probe| probe::probe(&at, probe, route)).map(Arc::new).map(Settling::Probe)
        }
        OnUnknown::Marker => {
            let at = at.key("marker");
            let file_marker = at.require(file.marker.as_ref(), NO_MARKER);
            file_marker.and_then(|file| marker(&at, file)).map(Arc::new).map(Settling::Marker)
        }
    };
    apart?;
    settling
}

const NO_PROBE: &str = "on_unknown = \"probe\" needs the question, like { url = \
                        \"http://127.0.0.1:9000/charges?idempotency_key={key}\", executed = [200], not_executed = [404] }";
const NO_MARKER: &str =
    "on_unknown = \"marker\" needs the upstream's database, like { url = \"postgres://HOST/DATABASE\" }";

/// Refuses the keys of the policies that the route does not have.
fn only_its_own_keys(at: &KeyCursor<'_>, file: &file::Route) -> Option<()> {
    if at.key("on_unknown").is_refused() {
        return None;
    }
    let keys = [
        ("upstream_keys", file.upstream_keys.is_some(), OnUnknown::Retry, "retry"),
        ("probe", file.probe.is_some(), OnUnknown::Probe, "probe"),
        ("marker", file.marker.is_some(), OnUnknown::Marker, "marker"),
    ];
    let mut apart = Some(());
    for (key, _, _, policy) in keys.iter().filter(|(_, given, own, _)| *given && *own != file.on_unknown) {
        apart = at.key(key).refuse(format!("is only for on_unknown = \"{policy}\""));
    }
    apart
}

/// Returns the policy for unknown outcomes, as a record keeps it.
pub fn on_unknown(settling: &Settling) -> protocol::OnUnknown {
    match settling {
        Settling::Hold => protocol::OnUnknown::Hold,
        Settling::Retry(keys) => protocol::OnUnknown::Retry { window: keys.as_ref().map(|keys| keys.window) },
        Settling::Probe(_) => protocol::OnUnknown::Probe,
        Settling::Marker(_) => protocol::OnUnknown::Marker,
    }
}

/// Checks whether a route keeps its requests. `sealed` says whether there is a key that seals them.
pub fn keep_request(at: &KeyCursor<'_>, file: &file::Route, sealed: bool) -> Option<bool> {
    let key = at.key("keep_request");
    if file.keep_request && file.on_unknown == OnUnknown::Hold && !at.key("on_unknown").is_refused() {
        return key.refuse(
            "is only for on_unknown = \"retry\", \"probe\" or \"marker\": under \"hold\" no request is sent again",
        );
    }
    if file.keep_request && !sealed {
        return key.refuse(
            "keeps credentials and needs a key that seals them: write seal = [{ id = \"2026-11\", env = \
             \"ONCEGATE_SEAL\" }] below [store], and set the environment variable ONCEGATE_SEAL to 32 random bytes \
             in base64, as `openssl rand -base64 32` prints them",
        );
    }
    Some(file.keep_request)
}

fn keys(
    at: &KeyCursor<'_>,
    file: Option<&file::UpstreamKeys>,
    longest_call: Option<Duration>,
) -> Option<Settling> {
    let Some(file) = file else {
        return Some(Settling::Retry(None));
    };
    let window_at = at.key("window");
    let window = window_at
        .require(file.window.as_deref(), "the time for which the upstream recognises a key, like \"23h\"")
        .and_then(|text| limits::span(&window_at, text, &limits::WINDOW));
    let undecided = limits::statuses(&at.key("undecided"), &file.undecided);
    let (window, longest_call) = (window?, longest_call?);
    if window <= longest_call {
        return window_at.refuse(format!(
            "{} is not longer than a call to the upstream may take ({}, connecting included), so no execution \
             could be repeated in it; allowed: the time for which the upstream keeps its keys",
            Span(window),
            Span(longest_call),
        ));
    }
    Some(Settling::Retry(Some(UpstreamKeys { window, undecided: undecided? })))
}

#[cfg(feature = "postgres")]
fn marker(at: &KeyCursor<'_>, file: &file::Marker) -> Option<Marker> {
    super::postgres::marker(at, file)
}

#[cfg(not(feature = "postgres"))]
fn marker(at: &KeyCursor<'_>, _: &file::Marker) -> Option<Marker> {
    at.refuse("this build reads no markers, which lie in Postgres; build with --features postgres")
}

/// Checks the declared times over which a request may come again. `Some(None)` declares none.
pub fn retry_horizon(at: &KeyCursor<'_>, file: Option<&file::RetryHorizon>) -> Option<Option<RetryHorizon>> {
    let Some(file) = file else {
        return Some(None);
    };
    let times = [
        ("client_retries", &file.client_retries),
        ("failover", &file.failover),
        ("operator_replay", &file.operator_replay),
    ];
    if times.iter().all(|(key, text)| text.is_none() && !at.key(key).is_refused()) {
        return at.refuse(
            "declares nothing; write { client_retries = \"10m\", failover = \"1h\", operator_replay = \"24h\" }, or \
             leave it out",
        );
    }
    let [client_retries, failover, operator_replay] = times.map(|(key, text)| match text {
        Some(text) => limits::span(&at.key(key), text, &limits::HORIZON),
        None => Some(Duration::ZERO),
    });
    Some(Some(RetryHorizon {
        client_retries: client_retries?,
        failover: failover?,
        operator_replay: operator_replay?,
    }))
}

/// Returns the hidden upstreams of the routes' probes.
pub fn probe_upstreams(
    routes: &[Arc<Route>],
    upstreams: &Upstreams,
) -> BTreeMap<UpstreamName, Option<Upstream>> {
    let of_route = |route: &Arc<Route>| {
        let Settling::Probe(probe) = &route.settling else { return None };
        let own = upstreams.get(&route.upstream)?.as_ref()?;
        Some((probe.upstream.clone(), Some(probe::upstream(probe, own))))
    };
    routes.iter().filter_map(of_route).collect()
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use crate::config::{Config, Environment};

    #[test]
    fn markers_need_the_driver_of_postgres() {
        let text = "store.url = 'memory:'\n[upstreams.a]\nurl = 'http://a'\n[[routes]]\nname = 'a'\npath = '/a'\n\
                    upstream = 'a'\non_unknown = 'marker'\nmarker = { url = 'postgres://me:hush@h/pay' }\n";
        let errors =
            Config::parse(text, "a.toml", &Environment::default()).expect_err("there is none").to_string();
        assert!(errors.starts_with("a.toml:9:1: routes[0].marker (route \"a\"): this build"), "{errors}");
        assert!(errors.contains("--features postgres") && !errors.contains("hush"), "{errors}");
    }
}
