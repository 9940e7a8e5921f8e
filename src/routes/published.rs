//! The policy of the routes, as the resource publishes it for its clients. An API that takes idempotency keys
//! has to publish what it asks for, and how long a key is good for (draft-ietf-httpapi-idempotency-key-header,
//! "Responsibilities").
//!
//! Published is only what a client needs: no name of a route or upstream, no scope, and nothing about the
//! store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::Route;
use crate::protocol::{KeyPlace, hex};

/// The document with the policies of all routes.
#[derive(Debug)]
pub struct Published {
    /// The document, in JSON.
    pub body: Bytes,
    /// Entity tag of the document. It changes with each byte of the document.
    pub etag: HeaderValue,
}

#[derive(Serialize)]
struct Document<'r> {
    routes: Vec<RoutePolicy<'r>>,
}

/// The policy of a route, and the requests that it covers.
#[derive(Serialize)]
struct RoutePolicy<'r> {
    path: &'r str,
    methods: Vec<&'r str>,
    #[serde(flatten)]
    policy: KeyPolicy<'r>,
}

/// The policy of a route: what it asks of a request, and what a client may rely on.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct KeyPolicy<'r> {
    /// Place of the key in a request.
    pub key: PublishedPlace,
    /// True if a request without a key is refused.
    pub required: bool,
    /// Time for which the response to a key is given again.
    pub lifetime: Lifetime,
    /// Name of the shape of the problems.
    pub problems: &'r str,
}

/// The place of a key in a request, as a configuration writes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishedPlace {
    /// A header of the request.
    Header(String),
    /// A member of the body.
    #[serde(rename = "json")]
    Member(String),
    /// Members of the body, which together are the key.
    #[serde(rename = "json")]
    Members(Vec<String>),
    /// The first of these places that is there.
    First(Vec<PublishedPlace>),
}

impl PublishedPlace {
    fn of(place: &KeyPlace) -> Self {
        match place {
            KeyPlace::Header(name) => Self::Header(shown(name)),
            KeyPlace::Members(members) => match members.as_slice() {
                [member] => Self::Member(member.to_string()),
                members => Self::Members(members.iter().map(ToString::to_string).collect()),
            },
        }
    }
}

/// A span of time, in both notations that clients read.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Lifetime {
    /// Whole seconds. A part of a second is left out.
    pub seconds: u64,
    /// Duration of ISO 8601, exact to the millisecond.
    pub iso8601: String,
}

impl Published {
    /// Writes the policies of these routes, in their order.
    #[must_use]
    pub fn of(routes: &[Arc<Route>]) -> Self {
        let document = Document { routes: routes.iter().map(|route| RoutePolicy::of(route)).collect() };
        let body = serde_json::to_vec(&document).expect("strings and numbers always serialize");
        let (digest, mut digits) = (Sha256::digest(&body), [0; 32]);
        let etag = HeaderValue::try_from(format!("\"{}\"", hex::encode(&digest[..16], &mut digits)));
        Self { body: body.into(), etag: etag.expect("hexadecimal digits are visible text") }
    }
}

impl<'r> RoutePolicy<'r> {
    fn of(route: &'r Route) -> Self {
        let methods = route.methods.iter().map(Method::as_str).collect();
        Self { path: &route.path, methods, policy: KeyPolicy::of(route) }
    }
}

impl<'r> KeyPolicy<'r> {
    /// Returns the policy of a route.
    #[must_use]
    pub fn of(route: &'r Route) -> Self {
        Self {
            key: key_place(route),
            required: route.key.required,
            lifetime: Lifetime::of(route.policy.ttl),
            problems: route.problems.name(),
        }
    }
}

/// Returns the place of the key on a route.
fn key_place(route: &Route) -> PublishedPlace {
    match route.key.source.places() {
        [only] => PublishedPlace::of(only),
        places => PublishedPlace::First(places.iter().map(PublishedPlace::of).collect()),
    }
}

impl Lifetime {
    fn of(span: Duration) -> Self {
        Self { seconds: span.as_secs(), iso8601: iso8601(span) }
    }
}

/// Returns the name of a header in its usual spelling: `Idempotency-Key`.
#[must_use]
pub fn shown(name: &HeaderName) -> String {
    let mut begins = true;
    let letters = name.as_str().chars().map(|letter| {
        let shown = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = letter == '-';
        shown
    });
    letters.collect()
}

/// Returns a duration of ISO 8601. Its largest unit is the hour, because a day has not always 24 of them.
fn iso8601(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let part = |number: u64, unit: &str| if number == 0 { String::new() } else { format!("{number}{unit}") };
    let fraction = match millis {
        0 => part(seconds, "S"),
        _ => format!("{}S", format!("{seconds}.{millis:03}").trim_end_matches('0')),
    };
    match format!("{}{}{fraction}", part(hours, "H"), part(minutes, "M")) {
        none if none.is_empty() => "PT0S".to_owned(),
        parts => format!("PT{parts}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_exactly() {
        for (millis, written) in [
            (0, "PT0S"),
            (100, "PT0.1S"),
            (1_500, "PT1.5S"),
            (60_000, "PT1M"),
            (61_005, "PT1M1.005S"),
            (5_400_000, "PT1H30M"),
            (86_400_000, "PT24H"),
            (2_592_000_000, "PT720H"),
        ] {
            assert_eq!(iso8601(Duration::from_millis(millis)), written);
        }
        assert_eq!(Lifetime::of(Duration::from_millis(1_999)).seconds, 1);
    }

    #[test]
    fn a_header_has_its_usual_spelling() {
        for (name, usual) in
            [("idempotency-key", "Idempotency-Key"), ("x-request-id", "X-Request-Id"), ("key", "Key")]
        {
            assert_eq!(shown(&HeaderName::from_static(name)), usual);
        }
    }
}
