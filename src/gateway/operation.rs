//! The operation that a request on a route asks for: its key and its caller. A request that fails here is
//! refused without a claim and without a byte to the upstream.

use http::header::{CONNECTION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::config::Route;
use crate::headers::{IDEMPOTENCY_KEY, tokens};
use crate::peer::ClientCertificate;
use crate::problem::{Executed, Problem, Retry, Slug};
use crate::protocol::{
    CallerParts, InvalidKey, Key, KeyPlace, KeyRefusal, KeySearch, KeySource, RecordId, Scope, ScopePart,
};
use crate::routes::{UnknownCaller, scope_on};

use super::Gateway;

/// Looks for the key of a request on a route. The key is absent only where the route does not require one.
/// Without a body, the search ends where the body would be looked at.
pub(super) fn requested_key(
    route: &Route,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Result<KeySearch, Problem> {
    match find(route, &route.key.source, headers, body)? {
        KeySearch::Absent if route.key.required => {
            let place = route.key.source.in_words();
            let detail = format!("Send a fresh key in {place} with every new operation.");
            Err(Problem::new(Slug::KeyMissing, detail))
        }
        search => Ok(search),
    }
}

/// Returns the key that a lookup on a route names: in a header of the route's keys, or in the usual header if
/// requests have the key in their bodies.
pub(super) fn looked_up_key(route: &Route, headers: &HeaderMap) -> Result<Key, Problem> {
    let source = &route.key.source;
    let usual = source.reads_body().then_some(IDEMPOTENCY_KEY);
    let places = source.headers().cloned().chain(usual).map(KeyPlace::Header);
    let Some(source) = KeySource::first(places.collect()) else { return Err(no_key_named(source)) };
    match find(route, &source, headers, None)? {
        KeySearch::Found(found) => Ok(found.key),
        KeySearch::Absent | KeySearch::InBody => Err(no_key_named(&source)),
    }
}

fn no_key_named(source: &KeySource) -> Problem {
    Problem::new(Slug::KeyMissing, format!("Send the key of the operation in {}.", source.in_words()))
}

/// Checks whether the key of a request with these headers can be read from its body.
pub(super) fn readable_key(route: &Route, headers: &HeaderMap) -> Result<(), Problem> {
    route.key.source.check_readable(headers).map_err(|refusal| invalid(&refusal))
}

fn invalid(refusal: &KeyRefusal<'_>) -> Problem {
    Problem::new(Slug::KeyInvalid, format!("{refusal}."))
}

/// Looks for a key, and checks that a request with it can be forwarded and replayed.
fn find(
    route: &Route,
    source: &KeySource,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Result<KeySearch, Problem> {
    let search = source.find(headers, body).map_err(|refusal| invalid(&refusal))?;
    let KeySearch::Found(found) = &search else { return Ok(search) };
    if let Some(name) = source.header_at(found.place).filter(|name| is_nominated(headers, name)) {
        let why = InvalidKey::ConnectionNominated;
        return Err(Problem::new(Slug::KeyInvalid, format!("{name}: {why}.")));
    }
    if is_grpc(headers) {
        let detail = "A call of gRPC cannot be stored and replayed: its outcome is told in trailers. Nothing \
                      was sent.";
        let problem = Problem::new(Slug::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE), detail);
        return Err(problem.advising(Executed::No, Retry::Never));
    }
    if let Some(name) = nominated_scope(route, headers) {
        let detail = format!(
            "The Connection header names {name}, which tells callers apart and has to reach the upstream."
        );
        return Err(Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail));
    }
    Ok(search)
}

impl Gateway {
    /// Names the operation that a request with this key asks for on a route, and makes the headers of the
    /// request fit for the upstream. `path` is the operation's path if the request itself has another one.
    ///
    /// Callers and requests are distinguished by the headers that the upstream will see, so the headers are
    /// cleaned first.
    pub(super) fn name_operation(
        &self,
        route: &Route,
        key: &Key,
        head: &mut Parts,
        path: Option<&str>,
    ) -> Result<RecordId, Problem> {
        let peer = head.extensions.get().copied();
        self.prepare(&mut head.headers, head.version, peer, route.read_headers());
        let scope = caller(route, head, path.unwrap_or(head.uri.path()))?;
        Ok(RecordId::of(&route.namespace, &scope, key))
    }
}

/// Returns the scope of a request that is prepared for the upstream.
fn caller(route: &Route, head: &Parts, path: &str) -> Result<Scope, Problem> {
    let certificate = head.extensions.get::<ClientCertificate>().cloned();
    let certificate = certificate.as_ref().map(|certificate| &*certificate.0);
    let shown = CallerParts { headers: &head.headers, certificate, path };
    let detail = match scope_on(route, shown) {
        Ok(scope) => return Ok(scope),
        Err(UnknownCaller::Anonymous(parts)) => format!(
            "The request carries a key, but nothing that identifies its caller. Send one of the parts that this \
             route's scope names: {parts}. Nothing was sent."
        ),
        Err(UnknownCaller::SignedPerRequest(parts)) => format!(
            "The Authorization header signs each request anew, so a retry would seem to come from another caller. \
             The route's scope has to name something that stays the same. It names: {parts}. Nothing was sent."
        ),
    };
    Err(Problem::new(Slug::CallerUnknown, detail))
}

/// Tells whether `Connection` names this header, which makes the header end at this hop.
fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Returns the header of the route's scope that `Connection` names, if there is one.
fn nominated_scope<'r>(route: &'r Route, headers: &HeaderMap) -> Option<&'r HeaderName> {
    if !headers.contains_key(CONNECTION) {
        return None;
    }
    let names = route.scope.iter().filter_map(|part| match part {
        ScopePart::Header(name) => Some(name),
        _ => None,
    });
    names.into_iter().find(|name| is_nominated(headers, name))
}

/// Tells whether a request is a gRPC call.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.get(..16)).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/grpc"))
}
