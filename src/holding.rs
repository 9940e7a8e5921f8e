//! Bodies and bytes that keep something until they are handed over.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A body, and the value that is dropped with it.
struct Holding<H> {
    body: Body,
    _held: H,
}

/// Returns the same body, and drops `held` with it. A body that has ended already holds nothing.
pub fn holding<H: Send + Unpin + 'static>(body: Body, held: H) -> Body {
    use http_body::Body as _;
    if body.is_end_stream() { body } else { Body::new(Holding { body, _held: held }) }
}

impl<H: Unpin> http_body::Body for Holding<H> {
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

/// Returns the same bytes. `hold` is dropped with the last reference to any of them.
pub fn held<H: Send + 'static>(bytes: Bytes, hold: H) -> Bytes {
    struct Owner<H>(Bytes, H);
    impl<H> AsRef<[u8]> for Owner<H> {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Owner(bytes, hold))
}
