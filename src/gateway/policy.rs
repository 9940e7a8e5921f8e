//! `GET /.well-known/idempotency`: publishes the policy of the routes.
//!
//! The answer is made of the configuration alone: no store is read, and nothing is sent to an upstream. It is
//! the same for all clients, so caches may keep it.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::problem::{Problem, Slug};
use crate::routes::Published;

use super::body::leave;
use super::reply::Reply;

/// The outcome in metrics and log.
const POLICY: &str = "policy";
/// Time for which a cache may keep the policy. It changes with the configuration only.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers a request for the policy.
pub(super) fn publish(published: &Published, request: Request<Body>) -> Result<Reply, Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_known = is_known(request.headers(), &published.etag);
    leave(request);
    if !reads {
        let problem =
            Problem::new(Slug::Http(StatusCode::METHOD_NOT_ALLOWED), "The policy is read by a GET.");
        return Err(problem.allowing("GET, HEAD"));
    }
    let mut response = match is_known {
        true => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        false => {
            let mut response = Response::new(Body::from(published.body.clone()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, published.etag.clone());
    headers.insert(CACHE_CONTROL, CACHED);
    Ok(Reply { response, outcome: POLICY })
}

/// Tells whether the client has the document with this entity tag. Tags are compared weakly (RFC 9110,
/// section 13.1.2).
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_tags_that_a_client_has_is_enough() {
        let etag = HeaderValue::from_static("\"a1\"");
        for (sent, known) in [
            ("\"a1\"", true),
            ("W/\"a1\"", true),
            ("\"b\", \"a1\"", true),
            ("*", true),
            ("\"a\"", false),
            ("a1", false),
        ] {
            let headers = [(IF_NONE_MATCH, HeaderValue::from_static(sent))].into_iter().collect();
            assert_eq!(is_known(&headers, &etag), known, "{sent}");
        }
        assert!(!is_known(&HeaderMap::new(), &etag));
    }
}
