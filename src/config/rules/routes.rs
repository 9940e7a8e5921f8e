//! Rules for the routes: for each route, and among all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;

use self::overlap::no_overlap;
use self::scope::scope;
use super::upstreams::{self, Upstreams};
use super::{headers, limits, path};
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{InFlight, Match, OnStoreError, Route, UnknownAnswers, UpstreamName};
use crate::headers::{METHOD_OVERRIDES, NOT_REPLAYED, NOT_REPLAYED_FAMILIES, is_not_replayed};
use crate::protocol::path::Template;
use crate::protocol::{BodyScheme, OnUnknown, Outcomes, PathScheme, Policy, Scheme};

mod overlap;
mod scope;

/// Checks all routes, in the order of the file. `certificates` says whether clients present a certificate.
pub fn all(
    at: &KeyCursor<'_>,
    files: &[file::Route],
    upstreams: &Upstreams,
    certificates: bool,
) -> Option<Vec<Arc<Route>>> {
    let checked = |(index, file)| route(&at.item(index), file, upstreams, certificates).map(Arc::new);
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

fn route(at: &KeyCursor<'_>, file: &file::Route, upstreams: &Upstreams, certificates: bool) -> Option<Route> {
    let name = required_name(&at.key("name"), file.name.as_deref());
    let matching = match file.matching {
        file::Match::Equivalent => Match::Equivalent,
        file::Match::Exact => Match::Exact,
    };
    let template = template(&at.key("path"), file.path.as_deref(), matching);
    let methods = methods(&at.key("methods"), &file.methods);
    let upstream = upstreams::named(&at.key("upstream"), file.upstream.as_deref(), upstreams);
    let namespace = limits::name(&at.key("namespace"), &file.namespace);
    let key_header = headers::key(&at.key("key").key("header"), &file.key.header);
    let scope = scope(at, file, key_header.as_ref(), certificates);
    let fingerprint = fingerprint(&at.key("fingerprint"), &file.fingerprint, key_header.as_ref());
    let policy = policy(at, file, upstream.as_ref(), upstreams);
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
        policy: policy?,
        replay_headers: replay_headers?,
        replay_drop: replay_drop?,
        in_flight: in_flight?,
        max_response_body: max_response_body?,
        outcomes: outcomes?,
        unknown_answers: match file.unknown_answers {
            file::UnknownAnswers::Pass => UnknownAnswers::Pass,
            file::UnknownAnswers::Problem => UnknownAnswers::Problem,
        },
        on_store_error: on_store_error?,
    })
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

fn policy(
    at: &KeyCursor<'_>,
    file: &file::Route,
    upstream: Option<&UpstreamName>,
    upstreams: &Upstreams,
) -> Option<Policy> {
    let ttl = limits::span(&at.key("ttl"), &file.ttl, &limits::TTL);
    let tombstone_ttl = limits::span(&at.key("tombstone_ttl"), &file.tombstone_ttl, &limits::TOMBSTONE_TTL);
    let lease = limits::span(&at.key("lease"), &file.lease, &limits::LEASE);
    let upstream = upstreams.get(upstream?)?.as_ref()?;
    Some(Policy {
        on_unknown: match file.on_unknown {
            file::OnUnknown::Hold => OnUnknown::Hold,
        },
        lease: lease?,
        response_timeout: upstream.connect_timeout + upstream.response_timeout,
        ttl: ttl?,
        tombstone_ttl: tombstone_ttl?,
    })
}

/// Checks `on_store_error`. "At most once" and a bypass exclude each other, so an operator who asks for both
/// has to accept duplicates explicitly.
fn on_store_error(at: &KeyCursor<'_>, file: &file::Route) -> Option<OnStoreError> {
    let file::OnUnknown::Hold = file.on_unknown;
    match (file.on_store_error, file.i_accept_duplicates) {
        (file::OnStoreError::Reject, false) => Some(OnStoreError::Reject),
        (file::OnStoreError::Bypass, true) => Some(OnStoreError::Bypass),
        (file::OnStoreError::Bypass, false) => at.key("on_store_error").refuse(
            "\"bypass\" runs operations twice that are retried while the store is away, which \
             on_unknown = \"hold\" promises never to do; allowed: \"reject\", or \"bypass\" with \
             i_accept_duplicates = true beside it",
        ),
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
    let ignore = pointers(&at.key("ignore"), &file.ignore);
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

fn pointers(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<String>> {
    let checked = texts.iter().enumerate().map(|(index, text)| {
        let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if !text.starts_with('/') || !escapes {
            return at.item(index).refuse(format!(
                "{text:?} is not the JSON pointer of a member; write one like \"/sent_at\", \
                 with `~0` for `~` and `~1` for `/`"
            ));
        }
        match text.split('/').skip(1).find(|step| is_wildcard(step)) {
            Some(step) => at.item(index).refuse(format!(
                "{text:?} has the step {step:?}, which stands for no other member: there are no wildcards. Name \
                 each, like \"/items/0/ts\"; a member that is called {step:?} cannot be left out"
            )),
            None => Some(text.clone()),
        }
    });
    checked.collect::<Vec<Option<String>>>().into_iter().collect()
}

/// Tells whether a step of a pointer is meant for any member, as in other notations, or for the member behind
/// the last one (RFC 6901, section 4), which no document has.
fn is_wildcard(step: &str) -> bool {
    matches!(step, "*" | "**" | "-" | "[]" | "{}") || step.ends_with("[*]") || step.ends_with("[]")
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

fn outcomes(at: &KeyCursor<'_>, file: &file::Outcomes) -> Option<Outcomes> {
    let release = statuses(&at.key("release"), &file.release);
    let unknown = statuses(&at.key("unknown"), &file.unknown);
    let (release, unknown) = (release?, unknown?);
    Outcomes::new(release, unknown).map_or_else(
        |status| at.refuse(format!("{status} stands in both lists; allowed: one meaning for a status")),
        Some,
    )
}

fn statuses(at: &KeyCursor<'_>, numbers: &[i64]) -> Option<Vec<u16>> {
    let checked = numbers.iter().enumerate().map(|(index, number)| {
        let status = u16::try_from(*number).ok().filter(|status| (200..600).contains(status));
        status
            .or_else(|| at.item(index).refuse(format!("{number} is not a final status; allowed: 200 to 599")))
    });
    checked.collect::<Vec<Option<u16>>>().into_iter().collect()
}
