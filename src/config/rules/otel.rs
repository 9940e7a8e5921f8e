//! Rules for the receiver of traces.

use http::Uri;

use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{Environment, Otel};

const EXAMPLE: &str = "\"http://127.0.0.1:4318\"";
/// Path of traces below the receiver's address, which the gateway adds.
const PATH: &str = "/v1/traces";
/// Samplers of the specification that need no service of their own.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// Checks the receiver. `Some(None)` is a configuration without one.
pub fn otel(
    at: &KeyCursor<'_>,
    file: Option<&file::Otel>,
    environment: &Environment,
) -> Option<Option<Otel>> {
    let Some(file) = file else {
        return Some(None);
    };
    if !cfg!(feature = "otel") {
        return at.refuse("this build makes no traces; build with --features otel, or leave it out");
    }
    let sampler = sampler(environment).map_or_else(|why| at.refuse(why), Some);
    let at = at.key("endpoint");
    let text = at.require(file.endpoint.as_deref(), &format!("the receiver of traces, like {EXAMPLE}"))?;
    let endpoint = parsed(text).map_or_else(
        |why| at.refuse(format!("is not the address of a receiver: {why}; write one like {EXAMPLE}")),
        Some,
    );
    sampler?;
    Some(Some(Otel { endpoint: endpoint? }))
}

fn parsed(text: &str) -> Result<Uri, &'static str> {
    let url: Uri = text.parse().map_err(|_| "it is not a URL")?;
    let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err("it does not start with http:// or https://");
    };
    if authority.as_str().contains('@') {
        return Err("it names a user; OTEL_EXPORTER_OTLP_HEADERS holds credentials");
    }
    if url.query().is_some() || text.contains('#') {
        return Err("it has a query or a fragment");
    }
    if url.path().trim_end_matches('/').ends_with(PATH) {
        return Err("it ends with /v1/traces, which the gateway adds");
    }
    Ok(url)
}

/// Checks the variables of the sampler. The library takes every trace where it does not understand them.
fn sampler(environment: &Environment) -> Result<(), String> {
    let value = |name| environment.value(name).filter(|value| !value.is_empty());
    let Some(sampler) = value("OTEL_TRACES_SAMPLER") else { return Ok(()) };
    if !SAMPLERS.contains(&sampler) {
        return Err(format!("OTEL_TRACES_SAMPLER names another sampler than {}", SAMPLERS.join(", ")));
    }
    let is_ratio = |text: &str| text.parse().is_ok_and(|ratio: f64| (0.0..=1.0).contains(&ratio));
    match value("OTEL_TRACES_SAMPLER_ARG") {
        Some(ratio) if sampler.ends_with("ratio") && !is_ratio(ratio) => {
            Err("OTEL_TRACES_SAMPLER_ARG is not a ratio; write a number from 0 to 1, like 0.1".into())
        }
        _ => Ok(()),
    }
}
