//! The bytes of a connection: heads, and the bodies behind them.

use super::chunked::same;
use super::reader::{Message, message};
use super::stream::{Pieces, Seen, passed, served};

/// Checks that the library accepts all bytes that are passed on. The library finds the same requests in them
/// as a second reader finds in the input: method, target, fields and body. Only these requests are passed on,
/// byte for byte, and nothing after a refusal. The size of the pieces makes no difference.
pub fn head(data: &[u8]) {
    let whole = passed(data, Pieces::Whole);
    for pieces in [Pieces::Single, Pieces::Mixed] {
        same(&whole, &passed(data, pieces));
    }
    let served = served(data, Pieces::Mixed);
    // A body that does not end is the last part of a connection. A request without `goes_on` may be the last
    // one.
    let (mut at, mut given, mut ended, mut goes_on) = (0, Vec::new(), false, true);
    for seen in &served.requests {
        assert!(!ended, "a request is read behind a body that does not end");
        let (message, skipped) = message(&data[at..]).expect("a request is read where there is none");
        agree(&message, seen);
        given.extend_from_slice(message.head);
        at += skipped + message.head.len();
        match &message.body {
            Some(body) => {
                given.extend_from_slice(&body.passed);
                at += body.length;
            }
            None => ended = true,
        }
        goes_on &= message.goes_on && !ended;
    }
    assert!(whole.bytes.starts_with(&given), "something else is passed on");
    if goes_on {
        assert_eq!(served.refused, whole.refusal.is_some(), "a refusal is not told");
        let error = served.error.as_ref().filter(|error| !error.is_incomplete_message());
        assert!(!whole.broken && error.is_none(), "the library does not take it: {error:?}");
        let rest = &whole.bytes[given.len()..];
        assert!(rest.is_empty() || served.refused, "the library finds no request in {}", rest.escape_ascii());
    }
}

fn agree(message: &Message<'_>, seen: &Seen) {
    assert_eq!(message.method, seen.method.as_bytes());
    assert_eq!(message.body.as_ref().map(|body| &body.content[..]), seen.body.as_deref());
    let target = seen.target.as_bytes();
    // The library writes an absolute target in its normal form.
    assert!(message.target == target || message.target.contains(&b':'), "{:?}", seen.target);
    assert_eq!(message.fields.len(), seen.headers.len());
    for name in seen.headers.keys() {
        let ours = message.fields.iter().filter(|(other, _)| other == name.as_str()).map(|(_, value)| *value);
        let theirs = seen.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        assert!(ours.eq(theirs), "{name}");
    }
}
