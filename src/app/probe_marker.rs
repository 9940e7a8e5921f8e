//! `check --probe-marker`: fences an execution that never was, sends the upstream a request under it, and
//! judges the answer.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version};
use tower::ServiceExt;

use crate::call::CallLimit;
use crate::cli::check::marker::{Judgement, MarkerArgs, ProbeAnswer, judgement};
use crate::cli::check::{BAD_CONFIGURATION, NOT_PROVEN};
use crate::cli::output;
use crate::config::{Config, Marker, Route, Settling};
use crate::headers::{add_own, clean_request, name_execution, reports_conflict};
use crate::protocol::{FoundKey, KeySearch, RecordId};
use crate::random;
use crate::routes::{Matched, RouteTable};
use crate::settle::marker::{MarkerTable, Row};
use crate::telemetry::ErrorChain;
use crate::telemetry::log::say;
use crate::upstream::Proxy;

/// The longest wait for the marker table.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Probes the upstream of a route. Returns the exit code.
pub(super) async fn probe_marker(config: &Config, args: &MarkerArgs) -> ExitCode {
    let Prepared { route, marker, key, request } = match prepared(config, args) {
        Ok(prepared) => prepared,
        Err(why) => {
            say(&format!("oncegate: {why}"));
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    match judged(config, &route, &marker, &key, request).await {
        Ok(Judgement { code, text }) => match output::print(format_args!("{text}")) {
            Ok(()) => ExitCode::from(code),
            Err(error) => output::printed(Err(error)),
        },
        Err(why) => {
            say(&format!("oncegate: NOT PROVEN: {why}"));
            ExitCode::from(NOT_PROVEN)
        }
    }
}

/// A request that fits its route.
struct Prepared {
    route: Arc<Route>,
    marker: Arc<Marker>,
    key: FoundKey,
    request: Request<Body>,
}

/// Checks the arguments and builds the request, without the name of its execution.
fn prepared(config: &Config, args: &MarkerArgs) -> Result<Prepared, String> {
    let name = args.route.as_deref().unwrap_or_default();
    let route = config.routes.iter().find(|route| *route.name == *name);
    let route = route.ok_or_else(|| format!("there is no route {name:?}"))?;
    let Settling::Marker(marker) = &route.settling else {
        return Err(format!("route {name:?} has no on_unknown = \"marker\""));
    };
    let uri = covered(config, args, route)?;
    if !args.yes {
        return Err(format!(
            "this sends {} {uri} to upstream {}. If the upstream swallows the conflict, the request takes effect and \
             may make a payment. Add --yes to send it",
            args.method, route.upstream
        ));
    }
    let body = args.body.as_deref().map(std::fs::read).transpose();
    let body = body.map_err(|error| format!("the body cannot be read: {error}"))?.unwrap_or_default();
    let mut request = Request::new(Body::empty());
    *request.method_mut() = args.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    for (name, value) in &args.headers {
        headers.append(name, value.clone());
    }
    let key = key(route, headers, &body)?;
    *request.body_mut() = Body::from(body);
    Ok(Prepared { route: Arc::clone(route), marker: Arc::clone(marker), key, request })
}

/// Returns the key of the request. If the request has none, it gets a new one in the header of the route's
/// keys.
fn key(route: &Route, headers: &mut HeaderMap, body: &[u8]) -> Result<FoundKey, String> {
    let source = &route.key.source;
    if source.find(headers, Some(body)) == Ok(KeySearch::Absent)
        && let Some(name) = source.headers().next()
    {
        let key = HeaderValue::from_str(&format!("probe-marker-{}", new_id()?));
        headers.insert(name, key.map_err(|error| error.to_string())?);
    }
    match source.find(headers, Some(body)) {
        Ok(KeySearch::Found(key)) => Ok(key),
        Ok(_) => Err(format!("the request has no key; send one with --body, in {}", source.in_words())),
        Err(refusal) => Err(format!("the request has no valid key: {refusal}")),
    }
}

/// Returns the target of the request, if `route` covers it.
fn covered(config: &Config, args: &MarkerArgs, route: &Arc<Route>) -> Result<Uri, String> {
    let path = match &args.path {
        Some(path) => path,
        None if route.template.has_parameters() => {
            return Err(format!("route {:?} has wildcards in {}; add --path", route.name, route.path));
        }
        None => &route.path,
    };
    let uri: Uri = path.parse().map_err(|error| format!("--path {path}: {error}"))?;
    let table = RouteTable::new(&config.routes, None).map_err(|error| error.to_string())?;
    match table.find(&args.method, uri.path(), &Default::default()) {
        Matched::Route(found) if found.name == route.name && uri.authority().is_none() => Ok(uri),
        _ => Err(format!("route {:?} does not cover {} {path}", route.name, args.method)),
    }
}

/// Returns an id that no operation has.
fn new_id() -> Result<RecordId, &'static str> {
    RecordId::from_bytes(&random::bytes::<20>()).ok_or("there is no name for an execution")
}

/// Fences an execution, sends the request under it, and judges the answer.
///
/// # Errors
/// The reason why nothing can be judged.
async fn judged(
    config: &Config,
    route: &Route,
    marker: &Marker,
    key: &FoundKey,
    mut request: Request<Body>,
) -> Result<Judgement, String> {
    let table = MarkerTable::new(&marker.url.0, &marker.table, TIMEOUT)?;
    let id = new_id()?;
    let execution = format!("{id}:1");
    match table.fence(&execution).await {
        Ok(Row::Fenced) => {}
        Ok(Row::Committed(_)) => return Err("the new execution already has a row".into()),
        Err(error) => return Err(error.to_string()),
    }
    let headers = request.headers_mut();
    clean_request(headers, false, route.key.headers().iter().map(HeaderName::as_str));
    add_own(headers, Version::HTTP_11, None);
    route.key.send(&key.key, key.place, headers);
    name_execution(headers, id, 1);
    request.extensions_mut().insert(CallLimit::Whole);
    let answer = called(config, route, request).await?;
    Ok(judgement(answer, &route.outcomes, &marker.table, &execution))
}

/// Sends the request as an execution of the route is sent.
async fn called(config: &Config, route: &Route, mut request: Request<Body>) -> Result<ProbeAnswer, String> {
    let upstream = config.upstreams.get_key_value(&route.upstream);
    let upstream = upstream.map(|(name, upstream)| (name.clone(), upstream.clone()));
    let proxy = Proxy::new(&upstream.into_iter().collect())
        .map_err(|(name, error)| format!("upstreams.{name}: {error}"))?;
    request.extensions_mut().insert(route.upstream.clone());
    let answer = proxy.oneshot(request).await.map_err(|error| ErrorChain(&error).to_string())?;
    Ok(ProbeAnswer { status: answer.status().as_u16(), is_marked: reports_conflict(answer.headers()) })
}
