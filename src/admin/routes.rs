//! `GET /v1/routes`: the routes in force, with the version of the configuration and when it was loaded.

use axum::Json;
use axum::extract::State;
use humantime::format_rfc3339_millis;
use serde_json::{Value, json};

use crate::config::units::{Size, Span};
use crate::config::{InFlight, LoadedConfig, Match, OnStoreError, Route, Settling, Upstream, UpstreamName};

use super::problem::AdminProblem;
use super::state::AdminState;

pub(super) async fn routes(State(admin): State<AdminState>) -> Result<Json<Value>, AdminProblem> {
    let configuration = admin.configuration.ok_or_else(AdminProblem::no_configuration)?;
    let loaded = configuration.live.now();
    let mut view = version_of(&loaded);
    view["routes"] = loaded.config.routes.iter().map(|route| self::route(route)).collect();
    let fallback = loaded.config.fallback.as_ref();
    view["fallback"] = fallback.map_or(Value::Null, |fallback| {
        let keyed = if fallback.refuses_keyed { "refuse" } else { "pass" };
        json!({ "upstream": fallback.upstream.as_str(), "keyed": keyed })
    });
    let upstreams = loaded.config.upstreams.iter().filter(|(name, _)| !name.is_of_probe());
    let shown = |(name, upstream): (&UpstreamName, &Upstream)| {
        let url = upstream.url.to_string();
        json!({ "name": name.as_str(), "url": url })
    };
    view["upstreams"] = upstreams.map(shown).collect();
    Ok(Json(view))
}

/// Returns the version of a configuration and the time at which it was loaded.
pub(super) fn version_of(loaded: &LoadedConfig) -> Value {
    let digest = &loaded.config.written.digest;
    json!({
        "version": loaded.version(),
        "digest": format!("sha256:{digest}"),
        "loaded_at": format_rfc3339_millis(loaded.loaded_at).to_string(),
    })
}

fn route(route: &Route) -> Value {
    let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
    let scope: Vec<String> = route.scope.iter().map(ToString::to_string).collect();
    json!({
        "name": &*route.name,
        "path": route.path,
        "match": if route.matching == Match::Exact { "exact" } else { "equivalent" },
        "methods": methods,
        "upstream": route.upstream.as_str(),
        "namespace": &*route.namespace,
        "key": { "in": route.key.source.in_words(), "required": route.key.required },
        "scope": scope,
        "on_unknown": policy(&route.settling),
        "ttl": Span(route.policy.ttl).to_string(),
        "tombstone_ttl": Span(route.policy.tombstone_ttl).to_string(),
        "lease": Span(route.policy.lease).to_string(),
        "in_flight": if let InFlight::Wait(_) = route.in_flight { "wait" } else { "reject" },
        "max_response_body": Size(route.max_response_body as u64).to_string(),
        "on_store_error": if route.on_store_error == OnStoreError::Bypass { "bypass" } else { "reject" },
        "problems": route.problems.name(),
    })
}

fn policy(settling: &Settling) -> &'static str {
    match settling {
        Settling::Hold => "hold",
        Settling::Retry(_) => "retry",
        Settling::Probe(_) => "probe",
        Settling::Marker(_) => "marker",
    }
}
