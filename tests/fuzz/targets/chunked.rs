//! A chunked body.

use super::reader;
use super::stream::{Passed, Pieces, passed, served};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A body is whole exactly when a second reader finds it whole; then it is passed on byte for byte without its
/// trailers, and the library finds in it what that reader does. One that is not whole is never finished for the
/// library. In which pieces it comes makes no difference, but for how much goes before the error of a malformed one.
pub fn chunked(data: &[u8]) {
    let input = [HEAD, data].concat();
    let whole = passed(&input, Pieces::Whole);
    let expected = reader::chunked(data);
    if let Some(body) = &expected {
        let given = [HEAD, &body.passed].concat();
        assert_eq!(whole.bytes.get(..given.len()), Some(&given[..]), "something else is passed on");
    } else {
        assert!(input.starts_with(&whole.bytes) && whole.refusal.is_none(), "what is not whole is finished");
    }
    for pieces in [Pieces::Single, Pieces::Mixed] {
        same(&whole, &passed(&input, pieces));
    }
    let served = served(&input, Pieces::Mixed);
    let seen = served.requests.first().and_then(|seen| seen.body.as_deref());
    assert_eq!(seen, expected.as_ref().map(|body| &body.content[..]));
}

/// The same came out, unless it was broken; then one is the other and some more.
pub fn same(one: &Passed, other: &Passed) {
    assert_eq!((one.broken, one.refusal), (other.broken, other.refusal));
    match one.broken {
        true => assert!(one.bytes.starts_with(&other.bytes) || other.bytes.starts_with(&one.bytes)),
        false => assert_eq!(one.bytes.escape_ascii().to_string(), other.bytes.escape_ascii().to_string()),
    }
}
