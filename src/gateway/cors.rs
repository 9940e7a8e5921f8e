//! Which pages of other origins may read an answer (the CORS protocol of the Fetch standard).
//!
//! Preflights for a path that a route covers are answered here. Problems, replays, and first answers to which
//! the upstream gave no such headers itself, name the origin that asks. A stored response never tells a page
//! that another origin may read it: the first attempt may have come from another page.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use crate::config::{self, Origins};
use crate::headers::{IDEMPOTENT_REPLAYED, tokens};
use crate::routes::{Matched, RouteTable};

/// The headers of answers that a page may read besides the usual ones.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "idempotent-replayed, idempotency-record, idempotency-expires, idempotency-executed, idempotency-outcome, \
     idempotency-stored, idempotency-protected, stripe-should-retry, x-should-retry, retry-after",
);
/// The largest number of headers that a preflight may ask for.
const MOST_HEADERS: usize = 100;

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The origins whose pages may read answers, and for how long a browser remembers that.
pub(super) struct Cors {
    origins: Origins,
    credentials: bool,
    max_age: HeaderValue,
}

/// The page that sent a request, and whether the answer is the business of the upstream alone.
pub(super) struct Asking {
    /// On the heap, because few requests have it.
    origin: Option<Box<HeaderValue>>,
    is_passed_through: bool,
}

impl Asking {
    /// Reads the origin of the page that sent a request. Several origins are no origin.
    pub(super) fn of(request: &Request<Body>, matched: &Matched) -> Self {
        let mut lines = request.headers().get_all(ORIGIN).iter();
        let origin = lines.next().filter(|_| lines.next().is_none()).cloned().map(Box::new);
        Self { origin, is_passed_through: matches!(matched, Matched::Fallback(_)) }
    }

    /// Makes the headers of an answer say what the asking page may read of it. `is_own` is true for an answer
    /// of the gateway's own.
    pub(super) fn share(&self, cors: Option<&Cors>, is_own: bool, headers: &mut HeaderMap) {
        match cors {
            Some(_) if self.is_passed_through && !is_own => {}
            Some(cors) => cors.share(self, headers),
            None => self.forget_others(headers),
        }
    }

    /// Removes from a replay that an origin other than the asking one may read it.
    fn forget_others(&self, headers: &mut HeaderMap) {
        let Some(allowed) = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN) else {
            return;
        };
        if is_replay(headers) && *allowed != ANY && Some(allowed) != self.origin.as_deref() {
            forget(headers);
        }
    }
}

fn is_replay(headers: &HeaderMap) -> bool {
    headers.contains_key(IDEMPOTENT_REPLAYED)
}

/// Removes who may read the answer.
fn forget(headers: &mut HeaderMap) {
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
}

impl Cors {
    pub(super) fn new(config: &config::Cors) -> Self {
        let max_age = HeaderValue::from(config.max_age.as_secs());
        Self { origins: config.origins.clone(), credentials: config.credentials, max_age }
    }

    /// Answers a browser that asks whether a page of another origin may send a request on a route. A request
    /// that no route covers is the fallback's, and so is the question about it.
    pub(super) fn preflight(&self, table: &RouteTable, request: &Request<Body>) -> Option<Response<Body>> {
        if !is_preflight(request) {
            return None;
        }
        let methods = table.methods_on(request.uri().path());
        if methods.is_empty() || (table.has_fallback() && !asks_for(request.headers(), &methods)) {
            return None;
        }
        let asking = Asking::of(request, &Matched::Nothing);
        Some(self.answer(&asking, request.headers(), &methods))
    }

    /// Answers a preflight for a path on which routes cover `methods`. An origin that is not listed is told
    /// nothing.
    fn answer(&self, asking: &Asking, asked: &HeaderMap, methods: &[Method]) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if self.allow(asking, headers) {
            let methods = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            headers
                .extend(HeaderValue::try_from(methods).ok().map(|list| (ACCESS_CONTROL_ALLOW_METHODS, list)));
            headers.extend(requested_headers(asked).map(|list| (ACCESS_CONTROL_ALLOW_HEADERS, list)));
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        let vary = "origin, access-control-request-method, access-control-request-headers";
        headers.insert(VARY, HeaderValue::from_static(vary));
        response
    }

    /// Adds to an answer what the asking page may read of it.
    fn share(&self, asking: &Asking, headers: &mut HeaderMap) {
        if is_replay(headers) {
            forget(headers);
        }
        // The upstream's own headers decide who may read its answer.
        let allowed = if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            self.allows(asking)
        } else {
            self.allow(asking, headers)
        };
        if allowed {
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        // Also where every origin is allowed: an answer to a client that names none has no such headers.
        if !varies_by_origin(headers) {
            headers.append(VARY, HeaderValue::from_name(ORIGIN));
        }
    }

    /// Allows the asking origin, if it is listed. Returns whether it is.
    fn allow(&self, asking: &Asking, headers: &mut HeaderMap) -> bool {
        let Some(origin) = asking.origin.as_deref().filter(|_| self.allows(asking)) else {
            return false;
        };
        let value = match self.origins {
            Origins::Any => ANY,
            Origins::Listed(_) => origin.clone(),
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        true
    }

    fn allows(&self, asking: &Asking) -> bool {
        asking.origin.as_deref().is_some_and(|origin| match &self.origins {
            Origins::Any => true,
            Origins::Listed(listed) => listed.iter().any(|listed| listed.as_bytes() == origin.as_bytes()),
        })
    }
}

fn is_preflight(request: &Request<Body>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Tells whether a preflight asks for one of these methods, or for one that needs no permission.
fn asks_for(asked: &HeaderMap, methods: &[Method]) -> bool {
    let asked = asked.get(ACCESS_CONTROL_REQUEST_METHOD).map(HeaderValue::as_bytes);
    let free = [Method::GET, Method::HEAD, Method::POST];
    methods.iter().chain(&free).any(|method| asked == Some(method.as_str().as_bytes()))
}

/// Returns the headers that a preflight asks for, as one list of lower-case names. A list with a name that is
/// none, or with too many, allows no header.
fn requested_headers(asked: &HeaderMap) -> Option<HeaderValue> {
    let names = tokens(asked, &ACCESS_CONTROL_REQUEST_HEADERS).map(HeaderName::from_bytes);
    let names: Vec<HeaderName> = names.take(MOST_HEADERS + 1).collect::<Result<_, _>>().ok()?;
    if names.is_empty() || names.len() > MOST_HEADERS {
        return None;
    }
    let list = names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ");
    HeaderValue::try_from(list).ok()
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    tokens(headers, &VARY).any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
}
