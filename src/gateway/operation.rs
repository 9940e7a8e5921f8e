//! The operation that a request on a route asks for: its key and its caller. A request that fails here is
//! refused without a claim and without a byte to the upstream.

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

use crate::config::Route;
use crate::headers::tokens;
use crate::peer::ClientCertificate;
use crate::problem::{Executed, Problem, Retry, Slug};
use crate::protocol::{CallerParts, InvalidKey, Key, RecordId, Scope, ScopePart};
use crate::routes::{UnknownCaller, scope_on};

use super::Gateway;

/// Returns the key of a request on a route, or `None` if there is no key and the route does not require one.
pub(super) fn requested_key(route: &Route, request: &Request<Body>) -> Result<Option<Key>, Problem> {
    let headers = request.headers();
    match key(headers, &route.key_header)? {
        None if route.key_required => {
            let detail =
                format!("Send a fresh key in the {} header with every new operation.", route.key_header);
            Err(Problem::new(Slug::KeyMissing, detail))
        }
        Some(_) if is_grpc(headers) => {
            let detail = "A call of gRPC cannot be stored and replayed: its outcome is told in trailers. Nothing \
                          was sent.";
            let problem = Problem::new(Slug::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE), detail);
            Err(problem.advising(Executed::No, Retry::Never))
        }
        Some(_) if let Some(name) = nominated_scope(route, headers) => {
            let detail = format!(
                "The Connection header names {name}, which tells callers apart and has to reach the upstream."
            );
            Err(Problem::new(Slug::Http(StatusCode::BAD_REQUEST), detail))
        }
        key => Ok(key),
    }
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

/// Returns the key of a request, if the request has one.
fn key(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Key>, Problem> {
    let nominated = || is_nominated(headers, name);
    let mut lines = headers.get_all(name).into_iter();
    let parsed = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => Err(InvalidKey::SeveralLines),
        (Some(_), None) if nominated() => Err(InvalidKey::ConnectionNominated),
        (Some(line), None) => Key::parse(line.as_bytes()),
    };
    let refused = |why: InvalidKey| Problem::new(Slug::KeyInvalid, format!("{name}: {why}."));
    parsed.map(Some).map_err(refused)
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
