//! A body that keeps to the time limit of its call.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tower::BoxError;

use crate::call::CallError;
use crate::config::UpstreamName;
use crate::protocol::{Reason, Sent};

use super::call_timeout::{Alarm, CallTimeout};
use super::pool::Hold;

/// A body with frames that count as progress. The body of a response also ends when the time is up.
///
/// Trailers end a body. They belong to one connection, and a header that comes as a trailer protects
/// nothing.
pub(super) struct TimedBody<B> {
    body: B,
    timeout: CallTimeout,
    /// The timer of a body that watches the time itself.
    alarm: Option<Alarm>,
    /// The connection that brings the response.
    hold: Option<Hold>,
    /// The name of the upstream that brings the response. It counts as used until the body is dropped.
    upstream: Option<UpstreamName>,
}

impl<B> TimedBody<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Returns a request body. The wait for the head of the response watches the time.
    pub(super) fn request(body: B, timeout: CallTimeout) -> Self {
        Self { body, timeout, alarm: None, hold: None, upstream: None }
    }

    /// Returns a response body, which watches the time itself.
    pub(super) fn response(
        body: B,
        hold: Hold,
        timeout: CallTimeout,
        alarm: Alarm,
        upstream: Option<UpstreamName>,
    ) -> Self {
        let mut response = Self { body, timeout, alarm: Some(alarm), hold: Some(hold), upstream };
        response.release_at_end();
        response
    }

    /// Returns the connection to the pool once no more bytes of the response come on it.
    fn release_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.upstream = None;
        if let Some(hold) = self.hold.take() {
            hold.finish(self.alarm.take().unwrap_or_default());
        }
    }
}

impl<B> HttpBody for TimedBody<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = self.get_mut();
        let lost = |reason, source| CallError { sent: Sent::Maybe, reason, source };
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                this.timeout.progress();
                this.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Ok(_)) | None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(lost(Reason::BrokenAnswer, Some(error.into())))))
            }
            Poll::Pending => match &mut this.alarm {
                Some(alarm) => alarm
                    .poll_elapsed(&this.timeout, cx)
                    .map(|()| Some(Err(lost(Reason::ResponseTimeout, None)))),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
