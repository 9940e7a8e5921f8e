//! The response timeout of one call. It limits the time from the first byte sent to the last byte of the
//! response. For requests that no key protects, and for responses that are not kept, it limits each
//! silence.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::BoxError;

use crate::call::{CallError, CallLimit, Deadline};
use crate::protocol::{Reason, Sent};

use super::pool::Hold;

/// Time limit of a call. Clones share the times.
#[derive(Clone)]
pub(super) struct CallTimeout {
    timeout: Duration,
    times: Arc<Mutex<Times>>,
    /// Lifted when each silence is limited instead of the whole call.
    deadline: Deadline,
}

#[derive(Clone, Copy)]
struct Times {
    started: Instant,
    /// Time at which bytes were last sent or received.
    progress: Instant,
}

impl CallTimeout {
    pub(super) fn new(limit: CallLimit, timeout: Duration) -> Self {
        let (now, deadline) = (Instant::now(), Deadline::default());
        if limit == CallLimit::Silence {
            deadline.lift();
        }
        Self { timeout, times: Arc::new(Mutex::new(Times { started: now, progress: now })), deadline }
    }

    /// Starts the time, because the first byte may be sent from now on.
    pub(super) fn start(&self) {
        let now = Instant::now();
        *self.times.lock() = Times { started: now, progress: now };
    }

    /// Returns the deadline of the call, for the reader of the response.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline.clone()
    }

    /// Waits until the time is up.
    pub(super) async fn elapsed(&self) {
        while Instant::now() < self.ends_at() {
            sleep_until(self.ends_at()).await;
        }
    }

    /// Records that bytes were sent or received.
    fn progress(&self) {
        self.times.lock().progress = Instant::now();
    }

    fn ends_at(&self) -> Instant {
        let Times { started, progress } = *self.times.lock();
        (if self.deadline.is_lifted() { progress } else { started }) + self.timeout
    }
}

/// A body with frames that count as progress. The body of a response also ends when the time is up.
///
/// Trailers end a body. They belong to one connection, and a header that comes as a trailer protects
/// nothing.
pub(super) struct TimedBody<B> {
    body: B,
    timeout: CallTimeout,
    /// True if the body watches the time itself.
    enforces_timeout: bool,
    /// Set while a frame is awaited, and kept for the next frame.
    alarm: Option<Pin<Box<Sleep>>>,
    /// The connection that brings the response.
    hold: Option<Hold>,
}

impl<B> TimedBody<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Returns a request body. The wait for the head of the response watches the time.
    pub(super) fn request(body: B, timeout: CallTimeout) -> Self {
        Self { body, timeout, enforces_timeout: false, alarm: None, hold: None }
    }

    /// Returns a response body, which watches the time itself.
    pub(super) fn response(body: B, hold: Hold, timeout: CallTimeout) -> Self {
        let mut response = Self { body, timeout, enforces_timeout: true, alarm: None, hold: Some(hold) };
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
        if let Some(hold) = self.hold.take() {
            hold.finish();
        }
    }

    /// Returns ready once the time is up. The alarm is set anew as long as there was progress.
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.enforces_timeout {
            return Poll::Pending;
        }
        let timeout = &self.timeout;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(timeout.ends_at())));
        loop {
            ready!(alarm.as_mut().poll(cx));
            let ends_at = timeout.ends_at();
            if Instant::now() >= ends_at {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(ends_at);
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
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let lost = |reason, source| CallError { sent: Sent::Maybe, reason, source };
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                self.timeout.progress();
                self.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Ok(_)) | None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(lost(Reason::BrokenAnswer, Some(error.into())))))
            }
            Poll::Pending => self.poll_elapsed(cx).map(|()| Some(Err(lost(Reason::ResponseTimeout, None)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
