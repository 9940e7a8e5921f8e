//! Response headers, made fit for a client and for the store.

use std::fmt;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::hop::strip_hop_by_hop;
use super::names::{IDEMPOTENCY_MARKER, is_gateway_only, is_not_replayed};

/// Makes the upstream's response headers fit for a client. Deletes the headers that only the gateway may set.
pub fn prepare_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    // Few responses have any.
    let deleted: Vec<HeaderName> = headers.keys().filter(|name| is_gateway_only(name)).cloned().collect();
    for name in deleted {
        headers.remove(name);
    }
}

/// Tells whether an upstream's response says that the marker of its execution was there already.
#[must_use]
pub fn reports_conflict(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(&IDEMPOTENCY_MARKER).iter();
    values.any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"conflict"))
}

/// A header by which an upstream says something about its answer, and the value that says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderWord {
    /// Name of the header.
    pub name: HeaderName,
    /// The whole value of its line.
    pub value: HeaderValue,
}

impl HeaderWord {
    /// Tells whether an answer says this. Each line of the header must have exactly this value: an answer
    /// that also says something else is not believed.
    #[must_use]
    pub fn is_said(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(&self.name).iter().peekable();
        lines.peek().is_some() && lines.all(|line| line.as_bytes().trim_ascii() == self.value.as_bytes())
    }
}

impl fmt::Display for HeaderWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, String::from_utf8_lossy(self.value.as_bytes()))
    }
}

/// Returns the headers that are kept with a response, in order. A repeated header is kept as often as it
/// came.
pub fn kept(
    headers: &HeaderMap,
    replayed: &[HeaderName],
    dropped: &[HeaderName],
) -> Vec<(HeaderName, HeaderValue)> {
    let keeps =
        |name: &HeaderName| (!is_not_replayed(name) || replayed.contains(name)) && !dropped.contains(name);
    let kept = headers.iter().filter(|(name, _)| keeps(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use http::header::SET_COOKIE;

    use super::*;
    use crate::headers::tests::headers;

    /// A client that reads `_` as `-` must not mistake the upstream's headers for the gateway's.
    #[test]
    fn no_upstream_speaks_for_the_gateway() {
        let mut answer = headers(&[
            ("idempotency-outcome", "released"),
            ("idempotency_outcome", "released"),
            ("idempotent_replayed", "true"),
            ("idempotency-executed", "no"),
            ("idempotency_stored", "false"),
            ("idempotency-record", "x"),
            ("idempotency-expires", "x"),
            ("idempotency_protected", "true"),
            ("idempotency-possible_duplicate", "x"),
            ("idempotency-key", "k"),
            ("idempotency_marker", "conflict"),
            ("x_request_id", "r"),
        ]);
        prepare_response(&mut answer);
        let mut left: Vec<_> = answer.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["idempotency-key", "idempotency_marker", "x_request_id"]);
    }

    #[test]
    fn a_word_is_believed_if_nothing_contradicts_it() {
        let word = HeaderWord {
            name: HeaderName::from_static("stripe-should-retry"),
            value: HeaderValue::from_static("true"),
        };
        let table: [(&[(&str, &str)], bool); 11] = [
            (&[], false),
            (&[("stripe-should-retry", "true")], true),
            (&[("Stripe-Should-Retry", " true\t")], true),
            (&[("stripe-should-retry", "true"), ("stripe-should-retry", "true")], true),
            (&[("stripe-should-retry", "true"), ("stripe-should-retry", "false")], false),
            (&[("stripe-should-retry", "false"), ("stripe-should-retry", "true")], false),
            (&[("stripe-should-retry", "true, true")], false),
            (&[("stripe-should-retry", "True")], false),
            (&[("stripe-should-retry", "true; reason=lock")], false),
            (&[("stripe-should-retry", "")], false),
            (&[("x-should-retry", "true")], false),
        ];
        for (lines, expected) in table {
            assert_eq!(word.is_said(&headers(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_word_about_one_connection_is_not_passed_on() {
        let word = HeaderWord { name: HeaderName::from_static("x-a"), value: HeaderValue::from_static("1") };
        let mut answer = headers(&[("connection", "close, X-A"), ("x-a", "1")]);
        assert!(word.is_said(&answer));
        prepare_response(&mut answer);
        assert!(!word.is_said(&answer));
    }

    #[test]
    fn a_replay_keeps_what_the_route_says() {
        let answer =
            headers(&[("set-cookie", "a=1"), ("x-a", "1"), ("x-a", "2"), ("www-authenticate", "Basic")]);
        let names =
            |kept: Vec<(HeaderName, HeaderValue)>| kept.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(kept(&answer, &[], &[])), ["x-a", "x-a"]);
        assert_eq!(names(kept(&answer, &[SET_COOKIE], &[])).len(), 3);
    }
}
