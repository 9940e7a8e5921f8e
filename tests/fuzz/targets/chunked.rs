//! A chunked body.

use super::reader;
use super::stream::{Passed, Pieces, passed, served};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Checks that a body is whole exactly when a second reader finds it whole. A whole body is passed on byte
/// for byte without its trailers, and the library reads the same content from it as that reader. A body that
/// is not whole never ends for the library. The size of the pieces makes no difference, except for the number
/// of bytes that go before the error of a malformed body.
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

/// Checks that the two results are equal. If they are broken, one is the beginning of the other.
pub fn same(one: &Passed, other: &Passed) {
    assert_eq!((one.broken, one.refusal), (other.broken, other.refusal));
    match one.broken {
        true => assert!(one.bytes.starts_with(&other.bytes) || other.bytes.starts_with(&one.bytes)),
        false => assert_eq!(one.bytes.escape_ascii().to_string(), other.bytes.escape_ascii().to_string()),
    }
}
