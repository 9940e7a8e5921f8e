//! An answer of HTTP/1 that its connection is at until its last byte is handed over.

use axum::body::Body;
use http::Response;
use http_body::Body as _;

use crate::holding::holding;

use super::places::Asked;

/// The largest answer that is handed over in one step, in bytes: the system takes it, read or not.
const SMALL: u64 = 16 << 10;

/// Returns the answer, which is being given for as long as it takes; a small one is given at once.
pub(super) fn answering(response: Response<Body>, asked: Asked) -> Response<Body> {
    if response.body().size_hint().exact().is_some_and(|size| size <= SMALL) {
        return response;
    }
    response.map(|body| holding(body, asked))
}
