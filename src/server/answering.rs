//! An answer of HTTP/1 that its connection is at until its last byte is handed over.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};

use super::places::Asked;

/// The largest answer that is handed over in one step, in bytes: the system takes it, read or not.
const SMALL: u64 = 16 << 10;

/// A body, and that its request is being answered.
pub(super) struct Answering {
    body: Body,
    _asked: Asked,
}

impl Answering {
    /// The answer, which is being given for as long as it takes.
    pub(super) fn hold(response: Response<Body>, asked: Asked) -> Response<Body> {
        if response.body().size_hint().exact().is_some_and(|size| size <= SMALL) {
            return response;
        }
        response.map(|body| Body::new(Self { body, _asked: asked }))
    }
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
