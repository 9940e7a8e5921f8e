//! Rules for the receiver of traces.

use http::Uri;

use crate::config::Otel;
use crate::config::file;
use crate::config::mistakes::KeyCursor;

const EXAMPLE: &str = "\"http://127.0.0.1:4318\"";

/// Checks the receiver. `Some(None)` is a configuration without one.
pub fn otel(at: &KeyCursor<'_>, file: Option<&file::Otel>) -> Option<Option<Otel>> {
    let Some(file) = file else {
        return Some(None);
    };
    if !cfg!(feature = "otel") {
        return at.refuse("this build makes no traces; build with --features otel, or leave it out");
    }
    let at = at.key("endpoint");
    let text = at.require(file.endpoint.as_deref(), &format!("the receiver of traces, like {EXAMPLE}"))?;
    match parsed(text) {
        Ok(endpoint) => Some(Some(Otel { endpoint })),
        Err(why) => at.refuse(format!("is not the address of a receiver: {why}; write one like {EXAMPLE}")),
    }
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
    Ok(url)
}
