//! The head of an HTTP/2 request, checked and converted to the form of HTTP/1 (RFC 9113, 8).
//!
//! The library has already refused malformed frames, pseudo-headers and connection headers. The checks
//! here cover the parts that a server behind the gateway could read in another way.

use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::head::{MAX_HEADERS, MAX_TARGET, content_length, expectation, is_host, method};
use super::names::framing_look_alike;
use super::refusal::{NO_HOST, OTHER_HOST, Refusal, TOO_LONG, TOO_MANY, WRONG_HOST, WRONG_TARGET, bad};

/// Checks a head, and gives it the `Host` and the path that it would have in HTTP/1.
///
/// # Errors
/// Returns the refusal of the first fault in the head.
pub fn check(head: &mut Parts) -> Result<(), Refusal> {
    method(head.method.as_str().as_bytes())?;
    if head.headers.len() > MAX_HEADERS {
        return Err(TOO_MANY);
    }
    for value in head.headers.values() {
        // RFC 9113, 8.2.1.
        if value.as_bytes() != value.as_bytes().trim_ascii() {
            return Err(bad("A header value begins or ends with a space."));
        }
    }
    for name in head.headers.keys() {
        framing_look_alike(name.as_str().as_bytes())?;
    }
    single(&head.headers)?;
    let host = host(head)?;
    let target = target(head)?;
    head.headers.insert(HOST, host);
    head.uri = Uri::from(target);
    join_cookies(&mut head.headers);
    Ok(())
}

/// Checks the headers that may come only once, with one meaning.
fn single(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(bad("HTTP/2 has no Transfer-Encoding."));
    }
    let mut seen = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        content_length(value.as_bytes(), &mut seen)?;
    }
    headers.get_all(EXPECT).into_iter().try_for_each(|value| expectation(value.as_bytes()))
}

/// Returns the authority, which a `Host` header may only repeat.
fn host(head: &Parts) -> Result<HeaderValue, Refusal> {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(bad("There are two Host headers."));
    }
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let named = match (authority, host) {
        (None, None) => return Err(NO_HOST),
        (Some(authority), Some(host)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            return Err(OTHER_HOST);
        }
        (Some(authority), _) => HeaderValue::from_str(authority).map_err(|_| WRONG_HOST)?,
        (None, Some(host)) => host.clone(),
    };
    is_host(named.as_bytes()).then_some(named).ok_or(WRONG_HOST)
}

fn target(head: &Parts) -> Result<PathAndQuery, Refusal> {
    let target = head.uri.path_and_query().ok_or(WRONG_TARGET)?;
    let text = target.as_str().as_bytes();
    if text.len() > MAX_TARGET {
        return Err(TOO_LONG);
    }
    let known = matches!(head.uri.scheme_str(), None | Some("http" | "https"));
    let formed = text.starts_with(b"/") || (text == b"*" && head.method == Method::OPTIONS);
    (known && formed && text.iter().all(u8::is_ascii_graphic)).then(|| target.clone()).ok_or(WRONG_TARGET)
}

/// Joins the cookies into one header. HTTP/2 may send one cookie a line, but HTTP/1 and a scope have one
/// header for all of them (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1 {
        let joined = HeaderValue::from_bytes(&lines.join(&b"; "[..]));
        headers.insert(COOKIE, joined.expect("parts of header values make one"));
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};

    use super::*;

    fn head(uri: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::post(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn refused(uri: &str, lines: &[(&str, &str)]) -> Option<StatusCode> {
        check(&mut head(uri, lines)).err().map(|refusal| refusal.status)
    }

    #[test]
    fn a_head_gets_the_form_of_http_1() {
        let mut head = head("http://a:80/v1/x?y", &[("cookie", "a=1"), ("cookie", "b=2")]);
        check(&mut head).expect("it is fine");
        assert_eq!(head.uri, "/v1/x?y");
        assert_eq!(head.headers["host"], "a:80");
        assert_eq!(head.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn a_head_with_two_readings_is_refused() {
        let bad = Some(StatusCode::BAD_REQUEST);
        assert_eq!(refused("/v1", &[]), bad);
        assert_eq!(refused("/v1", &[("host", "a")]), None);
        assert_eq!(refused("http://a/v1", &[("host", "A")]), None);
        assert_eq!(refused("http://a/v1", &[("host", "b")]), bad);
        assert_eq!(refused("http://a/v1", &[("host", "a"), ("host", "a")]), bad);
        assert_eq!(refused("http://u@a/v1", &[]), bad);
        assert_eq!(refused("ftp://a/v1", &[]), bad);
        assert_eq!(refused("http://a/v1", &[("content-length", "1"), ("content-length", "1")]), bad);
        assert_eq!(refused("http://a/v1", &[("content-length", "+1")]), bad);
        assert_eq!(refused("http://a/v1", &[("transfer-encoding", "chunked")]), bad);
        assert_eq!(refused("http://a/v1", &[("transfer_encoding", "chunked")]), bad);
        assert_eq!(refused("http://a/v1", &[("content_length", "5")]), bad);
        assert_eq!(refused("http://a/v1", &[("x", " y")]), bad);
        assert_eq!(refused("http://a/v1", &[("expect", "999")]), Some(StatusCode::EXPECTATION_FAILED));
        let long = format!("http://a/{}", "x".repeat(MAX_TARGET));
        assert_eq!(refused(&long, &[]), Some(StatusCode::URI_TOO_LONG));
        let many: Vec<_> = (0..=MAX_HEADERS).map(|_| ("x", "y")).collect();
        assert_eq!(refused("http://a/", &many), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
}
