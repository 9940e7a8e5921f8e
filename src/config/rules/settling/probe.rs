//! Rules for the question to the upstream about an unknown outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderName, HeaderValue, Uri};

use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::rules::{headers, limits, pointers};
use crate::config::{Probe, Upstream, UpstreamName};
use crate::headers::HOP_BY_HOP;
use crate::protocol::probe::{Rules, UrlTemplate, When};

/// Checks the question of a route.
pub fn probe(at: &KeyCursor<'_>, file: &file::Probe, route: &str) -> Option<Probe> {
    let template = template(&at.key("url"), file.url.as_deref());
    let headers = self::headers(&at.key("headers"), &file.headers);
    let timeout = limits::span(&at.key("timeout"), &file.timeout, &limits::PROBE_TIMEOUT);
    let not_before = limits::span(&at.key("not_before"), &file.not_before, &limits::NOT_BEFORE);
    let rules = rules(at, file);
    Some(Probe {
        template: template?,
        rules: rules?,
        upstream: UpstreamName::of_probe(route),
        headers: headers?,
        timeout: timeout?,
        not_before: not_before?,
    })
}

fn template(at: &KeyCursor<'_>, text: Option<&str>) -> Option<UrlTemplate> {
    let example = "\"http://127.0.0.1:9000/charges?idempotency_key={key}\"";
    let text = at.require(text, &format!("the URL of the question, like {example}"))?;
    // The text may hold a credential and is not repeated.
    match UrlTemplate::parse(text) {
        Ok(template) if template.placeholders().is_empty() && !template.names_execution() => {
            at.refuse(format!(
                "names no operation, so each question would be the same; allowed: {{key}}, {{execution}} or \
                 {{body:/json/pointer}} in the path or the query, like {example}"
            ))
        }
        Ok(template) => Some(template),
        Err(why) => at.refuse(format!("{why}; write a URL like {example}")),
    }
}

/// Checks the headers of the question. Their values may be credentials and are not repeated.
fn headers(at: &KeyCursor<'_>, texts: &BTreeMap<String, String>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut found: Vec<Option<(HeaderName, HeaderValue)>> = Vec::new();
    for (name, value) in texts {
        let at = at.key(name);
        let name = headers::name(&at, name).and_then(|name| {
            let twice = found.iter().flatten().any(|(earlier, _)| *earlier == name);
            match &name {
                _ if twice => at.refuse("is named twice"),
                name if HOP_BY_HOP.contains(name) => {
                    at.refuse("belongs to one connection; allowed: other headers")
                }
                name if [HOST, CONTENT_LENGTH].contains(name) => {
                    at.refuse("is written by the gateway itself; allowed: other headers")
                }
                _ => Some(name),
            }
        });
        let value = HeaderValue::from_str(value).ok().or_else(|| {
            at.refuse("has a value that a header cannot have; allowed: printable ASCII characters")
        });
        found.push(name.zip(value.map(sensitive)));
    }
    found.into_iter().collect()
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

fn rules(at: &KeyCursor<'_>, file: &file::Probe) -> Option<Rules> {
    let executed = limits::statuses(&at.key("executed"), &file.executed);
    let not_executed = limits::statuses(&at.key("not_executed"), &file.not_executed);
    let when = match &file.when {
        Some(file) => when(&at.key("when"), file).map(Some),
        None => Some(None),
    };
    let response = match &file.response {
        Some(text) => pointers::whole_or_part(&at.key("response"), text).map(Some),
        None => Some(None),
    };
    let rules = Rules { executed: executed?, not_executed: not_executed?, when: when?, response: response? };
    if let Some(status) = rules.executed.iter().find(|status| rules.not_executed.contains(status)) {
        return at.refuse(format!("{status} stands in both lists; allowed: one meaning for a status"));
    }
    if rules.executed.is_empty() && rules.not_executed.is_empty() && rules.when.is_none() {
        return at.refuse(
            "decides nothing: no answer has a meaning; write executed = [200], not_executed = [404], or when = { … }",
        );
    }
    Some(rules)
}

fn when(at: &KeyCursor<'_>, file: &file::When) -> Option<When> {
    let pointer_at = at.key("pointer");
    let pointer = pointer_at
        .require(
            file.pointer.as_deref(),
            "the JSON pointer of the value that decides, like \"/data/0/status\"",
        )
        .and_then(|text| pointers::part(&pointer_at, text));
    if file.executed.is_empty() && file.not_executed.is_empty() {
        return at.refuse(
            "decides nothing: no value has a meaning; write executed = [\"succeeded\"] or not_executed = [\"absent\"]",
        );
    }
    if file.executed.iter().any(|value| file.not_executed.contains(value)) {
        return at.refuse("has one value in both lists; allowed: one meaning for a value");
    }
    let (executed, not_executed) = (file.executed.clone(), file.not_executed.clone());
    Some(When { pointer: pointer?, executed, not_executed })
}

/// Makes the upstream that receives the question: as the route's own upstream if that is the same server.
pub fn upstream(probe: &Probe, own: &Upstream) -> Upstream {
    let url = probe.template.origin();
    let base = match is_same_server(&url, &own.url) {
        true => own.clone(),
        false => usual(url, own),
    };
    Upstream {
        connect_timeout: base.connect_timeout.min(probe.timeout),
        response_timeout: probe.timeout,
        preserve_host: false,
        rewrite_location: false,
        ..base
    }
}

/// Returns an upstream with the defaults. The largest head is that of the route's own upstream, so that the
/// bound on memory stays the same.
fn usual(url: Uri, own: &Upstream) -> Upstream {
    Upstream {
        url,
        ca: None,
        identity: None,
        http2: false,
        connect_timeout: Duration::from_secs(1),
        response_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(4),
        response_head_limit: own.response_head_limit,
        preserve_host: false,
        rewrite_location: false,
    }
}

fn is_same_server(one: &Uri, other: &Uri) -> bool {
    let usual = if one.scheme_str() == Some("https") { 443 } else { 80 };
    let port = |url: &Uri| url.port_u16().unwrap_or(usual);
    let host = |url: &Uri| url.host().unwrap_or_default().to_ascii_lowercase();
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}
