//! Detection of requests from a page of another origin in a browser.
//!
//! A browser sends credentials along by itself: a token that a page was given, a client certificate, or its
//! access to the operator's own machine. For this reason, a request that may change something is accepted
//! only from the listener's own origin, or from a client that is not a page in a browser. A request that only
//! reads needs no such rule: no page of another origin is ever permitted to see an answer (CORS), and a
//! rebound host name is refused by the check of `Host`.

use http::header::{HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Method};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Tells whether a page of another origin asks for a change. `secure` says whether the listener uses TLS, if
/// that is known.
pub(super) fn is_foreign(method: &Method, headers: &HeaderMap, secure: Option<bool>) -> bool {
    if method == Method::GET || method == Method::HEAD {
        return false;
    }
    let own = |origin: &[u8]| is_own(origin, headers, secure);
    let fetched = |site: &[u8]| site == b"same-origin" || site == b"none";
    let all = |name: HeaderName, fine: &dyn Fn(&[u8]) -> bool| {
        headers.get_all(name).into_iter().all(|value| fine(value.as_bytes()))
    };
    !all(ORIGIN, &own) || !all(SEC_FETCH_SITE, &fetched)
}

/// Tells whether an origin is the scheme and the host that the request itself was sent to.
fn is_own(origin: &[u8], headers: &HeaderMap, secure: Option<bool>) -> bool {
    let Some(host) = headers.get(HOST) else { return false };
    let of = |scheme: &str, port: &str| {
        let authority = origin.strip_prefix(scheme.as_bytes());
        authority
            .is_some_and(|authority| bare(authority, port).eq_ignore_ascii_case(bare(host.as_bytes(), port)))
    };
    (secure != Some(true) && of("http://", ":80")) || (secure != Some(false) && of("https://", ":443"))
}

/// Returns an authority without the default port of its scheme.
fn bare<'a>(authority: &'a [u8], port: &str) -> &'a [u8] {
    authority.strip_suffix(port.as_bytes()).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn foreign(method: Method, lines: &[(HeaderName, &'static str)], secure: Option<bool>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost:9464"));
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        is_foreign(&method, &headers, secure)
    }

    #[test]
    fn only_the_own_origin_may_change_something() {
        let own = (ORIGIN, "http://localhost:9464");
        assert!(!foreign(Method::POST, &[], Some(false)));
        assert!(!foreign(Method::POST, std::slice::from_ref(&own), Some(false)));
        assert!(!foreign(Method::DELETE, &[(ORIGIN, "http://LOCALHOST:9464")], None));
        assert!(!foreign(Method::POST, &[(ORIGIN, "https://localhost:9464")], Some(true)));
        assert!(!foreign(Method::POST, &[own.clone(), (SEC_FETCH_SITE, "same-origin")], Some(false)));
        assert!(!foreign(Method::POST, &[(SEC_FETCH_SITE, "none")], Some(false)));
        for origin in [
            "null",
            "",
            "http://elsewhere.example",
            "http://localhost",
            "http://localhost:9465",
            "http://127.0.0.1:9464",
            "https://localhost:9464",
            "http://localhost:9464.elsewhere.example",
            "localhost:9464",
        ] {
            for method in [Method::POST, Method::DELETE, Method::PUT] {
                assert!(foreign(method, &[(ORIGIN, origin)], Some(false)), "{origin}");
            }
            assert!(!foreign(Method::GET, &[(ORIGIN, origin)], Some(false)), "nothing changes");
        }
        assert!(foreign(Method::POST, &[own, (ORIGIN, "http://elsewhere.example")], Some(false)));
        for site in ["cross-site", "same-site", "?"] {
            assert!(foreign(Method::POST, &[(SEC_FETCH_SITE, site)], Some(false)), "{site}");
        }
    }

    #[test]
    fn the_usual_port_goes_without_saying() {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("admin.example:443"))]);
        assert!(is_own(b"https://admin.example", &headers, Some(true)));
        assert!(!is_own(b"http://admin.example", &headers, None));
    }
}
