//! The upstreams, and naming them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::Uri;

use super::{Upstreams, limits};
use crate::config::file;
use crate::config::problem::At;
use crate::config::{Upstream, UpstreamName};

/// All upstreams; there must be one.
pub fn all(at: &At<'_>, files: &BTreeMap<String, file::Upstream>) -> Upstreams {
    if files.is_empty() {
        at.require::<()>(None, "a file needs at least one, like [upstreams.payments] with a url");
    }
    let checked = |(name, file): (&String, &file::Upstream)| {
        let at = at.key(name);
        let valid_name = limits::name(&at, name);
        let upstream = upstream(&at, file);
        (UpstreamName(name.as_str().into()), valid_name.and(upstream))
    };
    files.iter().map(checked).collect()
}

/// The upstream that a route or the fallback names.
pub fn named(at: &At<'_>, name: Option<&str>, upstreams: &Upstreams) -> Option<UpstreamName> {
    let name = UpstreamName(at.require(name, "the name of an upstream")?.into());
    if upstreams.contains_key(&name) {
        return Some(name);
    }
    let known: Vec<String> = upstreams.keys().map(|known| format!("{:?}", known.0)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    at.refuse(format!("there is no upstream {:?}; defined: {known}", name.0))
}

fn upstream(at: &At<'_>, file: &file::Upstream) -> Option<Upstream> {
    let url = at.key("url");
    let url = url
        .require(file.url.as_deref(), "where the upstream is, like \"http://127.0.0.1:9000\"")
        .and_then(|text| self::url(&url, text));
    let ca = certificates(&at.key("ca"), file.ca.as_deref(), url.as_ref());
    let connect_timeout =
        limits::span(&at.key("connect_timeout"), &file.connect_timeout, &limits::IO_TIMEOUT);
    let response_timeout =
        limits::span(&at.key("response_timeout"), &file.response_timeout, &limits::RESPONSE_TIMEOUT);
    Some(Upstream {
        url: url?,
        ca: ca?,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        preserve_host: file.preserve_host,
    })
}

fn url(at: &At<'_>, text: &str) -> Option<Uri> {
    match text.parse::<Uri>().map_err(|error| error.to_string()).and_then(|url| origin(text, url)) {
        Ok(url) => Some(url),
        // A URL with a user in it may hold a password, and is not repeated.
        Err(why) if text.contains('@') => at.refuse(format!("is not an upstream's URL: {why}; {URL_FORM}")),
        Err(why) => at.refuse(format!("{text:?} is not an upstream's URL: {why}; {URL_FORM}")),
    }
}

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
    // The parser drops a fragment without a word.
    if url.path() != "/" || url.query().is_some() || text.contains('#') {
        return Err("it has a path, a query or a fragment; a request keeps its own path".into());
    }
    Ok(url)
}

/// `Some(None)` trusts the usual roots.
/// A file of certificates, looked into once so that a wrong one is found early.
pub fn certificates(at: &At<'_>, file: Option<&str>, url: Option<&Uri>) -> Option<Option<PathBuf>> {
    const MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let Some(file) = file else {
        return Some(None);
    };
    if url.is_some_and(|url| url.scheme_str() == Some("http")) {
        return at.refuse("is only for https:// upstreams");
    }
    match std::fs::read(file) {
        Err(error) => at.refuse(format!("{file:?} cannot be read: {error}")),
        Ok(pem) if !pem.windows(MARK.len()).any(|window| window == MARK) => {
            at.refuse(format!("{file:?} holds no PEM certificate (-----BEGIN CERTIFICATE-----)"))
        }
        Ok(_) => Some(Some(file.into())),
    }
}
