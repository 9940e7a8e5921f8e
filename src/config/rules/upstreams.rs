//! Rules for the upstreams, and for references to them.

use std::collections::BTreeMap;

use http::Uri;

use super::{limits, tls};
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{Upstream, UpstreamName};

/// Upstreams by name. The value is `None` for an upstream that is named but not valid, so that a route may
/// still name it.
pub type Upstreams = BTreeMap<UpstreamName, Option<Upstream>>;

/// Checks all upstreams. At least one is required.
pub fn all(at: &KeyCursor<'_>, files: &BTreeMap<String, file::Upstream>) -> Upstreams {
    if files.is_empty() {
        at.require::<()>(None, "a file needs at least one, like [upstreams.payments] with a url");
    }
    let checked = |(name, file): (&String, &file::Upstream)| {
        let at = at.key(name);
        let valid_name = self::name(&at, name);
        let upstream = upstream(&at, file);
        (UpstreamName::new(name), valid_name.and(upstream))
    };
    files.iter().map(checked).collect()
}

/// Checks the name of an upstream. Some names are those of the hidden upstreams of probes.
fn name<'n>(at: &KeyCursor<'_>, text: &'n str) -> Option<&'n str> {
    match text.starts_with(UpstreamName::PROBE) {
        true => at.refuse(format!("begins with {:?}, as the gateway's own names do", UpstreamName::PROBE)),
        false => limits::name(at, text),
    }
}

/// Finds the upstream that a route or the fallback names.
pub fn named(at: &KeyCursor<'_>, name: Option<&str>, upstreams: &Upstreams) -> Option<UpstreamName> {
    let name = at.require(name, "the name of an upstream")?;
    if let Some((known, _)) = upstreams.get_key_value(&UpstreamName::new(name)) {
        return Some(known.clone());
    }
    let known: Vec<String> = upstreams.keys().map(|known| format!("{:?}", known.as_str())).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    if name.contains("://") || name.contains('@') {
        // The text may hold a password, so the message does not repeat it.
        return at.refuse(format!("takes the name of an upstream, not a URL; defined: {known}"));
    }
    at.refuse(format!("there is no upstream {name:?}; defined: {known}"))
}

fn upstream(at: &KeyCursor<'_>, file: &file::Upstream) -> Option<Upstream> {
    let url = at.key("url");
    let url = url
        .require(file.url.as_deref(), "where the upstream is, like \"http://127.0.0.1:9000\"")
        .and_then(|text| self::url(&url, text));
    let plain = url.as_ref().is_some_and(|url| url.scheme_str() == Some("http"));
    let ca = match &file.ca {
        Some(_) if plain => at.key("ca").refuse(ONLY_TLS),
        ca => tls::authorities(&at.key("ca"), ca.as_deref()),
    };
    let identity = match &file.identity {
        Some(_) if plain => at.key("identity").refuse(ONLY_TLS),
        identity => tls::identity(&at.key("identity"), identity.as_ref()),
    };
    let connect_timeout =
        limits::span(&at.key("connect_timeout"), &file.connect_timeout, &limits::IO_TIMEOUT);
    let response_timeout =
        limits::span(&at.key("response_timeout"), &file.response_timeout, &limits::RESPONSE_TIMEOUT);
    let idle_timeout = limits::span(&at.key("idle_timeout"), &file.idle_timeout, &limits::IDLE_TIMEOUT);
    let response_head_limit =
        limits::size(&at.key("response_head_limit"), &file.response_head_limit, &limits::RESPONSE_HEAD);
    Some(Upstream {
        url: url?,
        ca: ca?,
        identity: identity?,
        http2: file.http2,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        idle_timeout: idle_timeout?,
        response_head_limit: response_head_limit?,
        preserve_host: file.preserve_host,
        rewrite_location: file.rewrite_location,
    })
}

fn url(at: &KeyCursor<'_>, text: &str) -> Option<Uri> {
    match text.parse::<Uri>().map_err(|error| error.to_string()).and_then(|url| origin(text, url)) {
        Ok(url) => Some(url),
        // The URL may hold a password or a token, so the message does not repeat it.
        Err(why) => at.refuse(format!("is not an upstream's URL: {why}; {URL_FORM}")),
    }
}

const ONLY_TLS: &str = "is only for https:// upstreams";
const URL_FORM: &str = "write http:// or https://, the host and, if need be, a port";

fn origin(text: &str, url: Uri) -> Result<Uri, String> {
    let Some(authority) = url.authority().filter(|_| matches!(url.scheme_str(), Some("http" | "https")))
    else {
        return Err("it does not start with http:// or https://".into());
    };
    if authority.as_str().contains('@') {
        return Err("it names a user".into());
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    let port_fits = port.is_empty()
        || port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0);
    if authority.host().is_empty() || !port_fits {
        return Err("its host or port is not valid".into());
    }
    // The parser drops a fragment silently.
    if url.path() != "/" || url.query().is_some() || text.contains('#') {
        return Err("it has a path, a query or a fragment; a request keeps its own path".into());
    }
    Ok(url)
}
