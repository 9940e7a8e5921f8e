//! Rules for the routes: for each route, and among all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use self::label::{Hidden, labels};
use self::overlap::no_overlap;
use self::scope::scope;
use super::upstreams::{self, Upstreams};
use super::{headers, limits, path, pointers, settling};
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{InFlight, Match, OnStoreError, Route, Settling, UnknownAnswers, UpstreamName};
use crate::headers::{METHOD_OVERRIDES, NOT_REPLAYED, NOT_REPLAYED_FAMILIES, is_not_replayed};
use crate::protocol::path::Template;
use crate::protocol::{BodyScheme, Outcomes, PathScheme, Policy, Scheme};

mod label;
mod overlap;
mod scope;

/// The parts of the configuration that decide what a route may say.
#[derive(Clone, Copy)]
pub struct Surroundings<'c> {
    /// The upstreams that routes may name.
    pub upstreams: &'c Upstreams,
    /// True if clients present a certificate.
    pub certificates: bool,
    /// True if there is a key that seals kept requests.
    pub sealed: bool,
}

/// Checks all routes, in the order of the file.
pub fn all(
    at: &KeyCursor<'_>,
    files: &[file::Route],
    surroundings: Surroundings<'_>,
) -> Option<Vec<Arc<Route>>> {
    let checked = |(index, file)| route(&at.item(index), file, surroundings).map(Arc::new);
    let routes: Vec<Option<Arc<Route>>> = files.iter().enumerate().map(checked).collect();
    let unique = unique_names(at, files);
    let apart = no_overlap(at, files);
    let routes = routes.into_iter().collect::<Option<_>>()?;
    unique.and(apart)?;
    Some(routes)
}

fn unique_names(at: &KeyCursor<'_>, files: &[file::Route]) -> Option<()> {
    let mut first = BTreeMap::new();
    let mut unique = Some(());
    for (index, file) in files.iter().enumerate() {
        let Some(name) = &file.name else { continue };
        if let Some(earlier) = first.insert(name, index) {
            first.insert(name, earlier);
            unique = at.item(index).key("name").refuse(format!(
                "{name:?} is also the name of routes[{earlier}]; allowed: a name of its own"
            ));
        }
    }
    unique
}

fn route(at: &KeyCursor<'_>, file: &file::Route, surroundings: Surroundings<'_>) -> Option<Route> {
    let Surroundings { upstreams, certificates, sealed } = surroundings;
    let name = required_name(&at.key("name"), file.name.as_deref());
    let matching = matching(file.matching);
    let template = template(&at.key("path"), file.path.as_deref(), matching);
    let methods = methods(&at.key("methods"), &file.methods);
    let upstream = upstreams::named(&at.key("upstream"), file.upstream.as_deref(), upstreams);
    let namespace = limits::name(&at.key("namespace"), &file.namespace);
    let key_header = headers::key(&at.key("key").key("header"), &file.key.header);
    let scope = scope(at, file, key_header.as_ref(), certificates);
    let fingerprint = fingerprint(&at.key("fingerprint"), &file.fingerprint, key_header.as_ref());
    let hidden = Hidden { key: key_header.as_ref(), scope: scope.as_deref().unwrap_or(&[]) };
    let labels = labels(&at.key("label"), &file.label, hidden);
    let longest_call = longest_call(upstream.as_ref(), upstreams);
    let settling = settling::settling(at, file, longest_call);
    let policy = policy(at, file, longest_call, settling.as_ref());
    let keep_request = settling::keep_request(at, file, sealed);
    let retry_horizon = settling::retry_horizon(&at.key("retry_horizon"), file.retry_horizon.as_ref());
    let replay_headers = replay_headers(&at.key("replay_headers"), &file.replay_headers);
    let replay_drop = headers::names(&at.key("replay_drop"), &file.replay_drop);
    let in_flight = in_flight(&at.key("wait_timeout"), file);
    let max_response_body =
        limits::size(&at.key("max_response_body"), &file.max_response_body, &limits::RESPONSE_BODY);
    let outcomes = outcomes(&at.key("outcomes"), &file.outcomes);
    let on_store_error = on_store_error(at, file);
    let name = name?;
    let (path, template, shape) = template?;
    let spellings = match matching {
        Match::Equivalent => PathScheme::Equivalent(template.clone()),
        Match::Exact => PathScheme::AsSent,
    };
    Some(Route {
        name: name.into(),
        path,
        template,
        matching,
        shape,
        methods: methods?,
        upstream: upstream?,
        namespace: namespace?.into(),
        key_header: key_header?,
        key_required: file.key.required,
        scope: scope?,
        anonymous: file.anonymous == file::Anonymous::One,
        fingerprint: Arc::new(Scheme { path: spellings, ..fingerprint? }),
        labels: labels?,
        policy: policy?,
        settling: settling?,
        keep_request: keep_request?,
        retry_horizon: retry_horizon?,
        replay_headers: replay_headers?,
        replay_drop: replay_drop?,
        in_flight: in_flight?,
        max_response_body: max_response_body?,
        outcomes: outcomes?,
        unknown_answers: unknown_answers(file.unknown_answers),
        on_store_error: on_store_error?,
    })
}

fn matching(file: file::Match) -> Match {
    match file {
        file::Match::Equivalent => Match::Equivalent,
        file::Match::Exact => Match::Exact,
    }
}

fn required_name<'n>(at: &KeyCursor<'_>, name: Option<&'n str>) -> Option<&'n str> {
    at.require(name, "a name of its own for the route").and_then(|name| limits::name(at, name))
}

/// Returns a template as it is written, in segments, and its shape.
fn template(at: &KeyCursor<'_>, text: Option<&str>, matching: Match) -> Option<(String, Template, String)> {
    let text = at.require(text, "the path of the route, like \"/v1/charges\"")?;
    match path::shape(text) {
        Ok(shape) => {
            let template = Template::new(text);
            let shape = match matching {
                Match::Equivalent => template.shape(),
                Match::Exact => shape,
            };
            Some((text.to_owned(), template, shape))
        }
        Err(why) => {
            // The text may be a whole URL with a password.
            let shown = if text.contains("://") || text.contains('@') {
                "this".to_owned()
            } else {
                format!("{text:?}")
            };
            let usual = || "\"/v1/charges\", \"/v1/{resource}\" or \"/v1/{*rest}\"".to_owned();
            let write = path::suggestion(text).unwrap_or_else(usual);
            at.refuse(format!("{shown} is not a path: {why}; write {write}"))
        }
    }
}

fn methods(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<Method>> {
    if texts.is_empty() {
        return at.refuse("names no method; allowed: [\"POST\", \"PATCH\"] and others that change something");
    }
    let checked = texts.iter().enumerate().map(|(index, text)| {
        let at = at.item(index);
        if texts[..index].contains(text) {
            return at.refuse(format!("{text:?} is named twice"));
        }
        method(&at, text)
    });
    checked.collect::<Vec<Option<Method>>>().into_iter().collect()
}

fn method(at: &KeyCursor<'_>, text: &str) -> Option<Method> {
    let allowed = "allowed: methods that change something, like \"POST\" or \"PATCH\"";
    match text.parse::<Method>() {
        Ok(Method::CONNECT) => at.refuse(format!("CONNECT is not proxied; {allowed}")),
        Ok(method) if method.is_safe() => {
            at.refuse(format!("{text} is safe to repeat and needs no key; {allowed}"))
        }
        // Taken literally, these methods would cover no request.
        Ok(_)
            if matches!(text, "ANY" | "ALL")
                || text.chars().any(|c| c.is_ascii_punctuation() && !"-_".contains(c)) =>
        {
            at.refuse(format!("{text:?} is no method, and stands for no others; name each: {allowed}"))
        }
        Ok(_) if text.chars().any(|c| c.is_ascii_lowercase()) => {
            at.refuse(format!("{text:?} has lower-case letters, and the case of a method counts; {allowed}"))
        }
        Ok(method) => Some(method),
        Err(_) => at.refuse(format!("{text:?} is not a method; {allowed}")),
    }
}

/// Returns the longest time that one execution can take, connecting included.
fn longest_call(upstream: Option<&UpstreamName>, upstreams: &Upstreams) -> Option<Duration> {
    let upstream = upstreams.get(upstream?)?.as_ref()?;
    Some(upstream.connect_timeout + upstream.response_timeout)
}

fn policy(
    at: &KeyCursor<'_>,
    file: &file::Route,
    longest_call: Option<Duration>,
    settling: Option<&Settling>,
) -> Option<Policy> {
    let ttl = limits::span(&at.key("ttl"), &file.ttl, &limits::TTL);
    let tombstone_ttl = limits::span(&at.key("tombstone_ttl"), &file.tombstone_ttl, &limits::TOMBSTONE_TTL);
    let lease = limits::span(&at.key("lease"), &file.lease, &limits::LEASE);
    Some(Policy {
        on_unknown: settling::on_unknown(settling?),
        lease: lease?,
        response_timeout: longest_call?,
        ttl: ttl?,
        tombstone_ttl: tombstone_ttl?,
    })
}

/// Checks `on_store_error`. "At most once" and a bypass exclude each other, so an operator who asks for both
/// has to accept duplicates explicitly. "retry" does not promise it.
fn on_store_error(at: &KeyCursor<'_>, file: &file::Route) -> Option<OnStoreError> {
    let repeats = file.on_unknown == file::OnUnknown::Retry;
    match (file.on_store_error, file.i_accept_duplicates) {
        (file::OnStoreError::Reject, false) => Some(OnStoreError::Reject),
        (file::OnStoreError::Bypass, accepted) if accepted || repeats => Some(OnStoreError::Bypass),
        (file::OnStoreError::Bypass, _) => at.key("on_store_error").refuse(format!(
            "\"bypass\" runs operations twice that are retried while the store is away, which \
             on_unknown = \"{}\" promises never to do; allowed: \"reject\", or \"bypass\" with \
             i_accept_duplicates = true beside it",
            file.on_unknown.name(),
        )),
        (file::OnStoreError::Reject, true) => {
            at.key("i_accept_duplicates").refuse("is only for on_store_error = \"bypass\"")
        }
    }
}

fn fingerprint(
    at: &KeyCursor<'_>,
    file: &file::Fingerprint,
    key_header: Option<&http::HeaderName>,
) -> Option<Scheme> {
    let headers = headers::names(&at.key("headers"), &file.headers);
    let apart = headers::distinguishing(&at.key("headers"), headers.as_deref().unwrap_or(&[]), key_header);
    let ignore = pointers::all(&at.key("ignore"), &file.ignore);
    let body = match file.body {
        file::BodyForm::Json => ignore.map(|ignore| BodyScheme::Json { ignore }),
        file::BodyForm::Raw if file.ignore.is_empty() => Some(BodyScheme::Raw),
        file::BodyForm::Raw => at.key("ignore").refuse("is allowed only beside body = \"json\""),
    };
    apart?;
    // Many servers take the method from these headers, so they always count.
    let mut headers = headers?;
    let overrides = METHOD_OVERRIDES.iter().filter(|name| !headers.contains(name)).cloned();
    headers.extend(overrides.collect::<Vec<_>>());
    let headers = headers.iter().map(|name| name.as_str().to_owned()).collect();
    Some(Scheme { body: body?, headers, path: PathScheme::AsSent })
}

fn replay_headers(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<http::HeaderName>> {
    let names = headers::names(at, texts)?;
    match names.iter().position(|name| !is_not_replayed(name)) {
        None => Some(names),
        Some(index) => at.item(index).refuse(format!(
            "{:?} is not a header that replays drop by default; allowed: {}, and what begins with {}",
            texts[index],
            NOT_REPLAYED.iter().map(|name| format!("{:?}", name.as_str())).collect::<Vec<_>>().join(", "),
            NOT_REPLAYED_FAMILIES.map(|first| format!("{first:?}")).join(" or "),
        )),
    }
}

fn in_flight(at: &KeyCursor<'_>, file: &file::Route) -> Option<InFlight> {
    let wait_timeout = limits::span(at, &file.wait_timeout, &limits::WAIT_TIMEOUT)?;
    Some(match file.in_flight {
        file::InFlight::Wait => InFlight::Wait(wait_timeout),
        file::InFlight::Reject => InFlight::Reject,
    })
}

fn unknown_answers(file: file::UnknownAnswers) -> UnknownAnswers {
    match file {
        file::UnknownAnswers::Pass => UnknownAnswers::Pass,
        file::UnknownAnswers::Problem => UnknownAnswers::Problem,
    }
}

fn outcomes(at: &KeyCursor<'_>, file: &file::Outcomes) -> Option<Outcomes> {
    let release = limits::statuses(&at.key("release"), &file.release);
    let unknown = limits::statuses(&at.key("unknown"), &file.unknown);
    let (release, unknown) = (release?, unknown?);
    Outcomes::new(release, unknown).map_or_else(
        |status| at.refuse(format!("{status} stands in both lists; allowed: one meaning for a status")),
        Some,
    )
}
