//! The parts of a request that can count.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

/// The parts of a request that can go into a fingerprint.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The request method.
    pub method: &'a Method,
    /// The path as it was sent, not decoded.
    pub path: &'a str,
    /// The query as it was sent, without the question mark.
    pub query: Option<&'a str>,
    /// The request headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> RequestParts<'a> {
    /// Returns the value of the one `Content-Type`; `None` if there are several lines of it, or none.
    pub(super) fn content_type(&self) -> Option<&'a [u8]> {
        let mut values = self.headers.get_all(CONTENT_TYPE).iter();
        let first = values.next();
        first.filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
    }

    /// Tells whether the body has a coding such as gzip, so that its bytes are not yet the content.
    pub(super) fn is_coded(&self) -> bool {
        let is_plain =
            |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
        !self.headers.get_all(CONTENT_ENCODING).iter().all(is_plain)
    }
}
