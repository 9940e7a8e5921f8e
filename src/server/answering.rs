//! A response of HTTP/1 that counts as being given until its last byte is handed over.

use axum::body::Body;
use http::Response;
use http_body::Body as _;

use crate::holding::holding;

use super::slots::ActiveRequest;

/// Largest response that is handed over in one step, in bytes. The system takes it whether or not the
/// client reads.
const SMALL: u64 = 16 << 10;

/// Returns the response with a body that holds `request` until its end. A small response counts as given
/// at once.
pub(super) fn answering(response: Response<Body>, request: ActiveRequest) -> Response<Body> {
    if response.body().size_hint().exact().is_some_and(|size| size <= SMALL) {
        return response;
    }
    response.map(|body| holding(body, request))
}
