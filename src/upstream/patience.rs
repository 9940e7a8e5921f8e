//! The response timeout of one call: from the first byte sent to the last byte of the answer, or,
//! for what no key protects and for answers that are not kept, of each silence.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::BoxError;

use crate::call::{CallError, CallLimit, Deadline};
use crate::protocol::{Reason, Sent};

use super::pool::Hold;

/// Time limit of a call. Clones share the times.
#[derive(Clone)]
pub(super) struct Patience {
    timeout: Duration,
    times: Arc<Mutex<Times>>,
    /// Lifted if each silence is limited, not the call as a whole.
    deadline: Deadline,
}

#[derive(Clone, Copy)]
struct Times {
    started: Instant,
    /// When something was sent or received last.
    progress: Instant,
}

impl Patience {
    pub(super) fn new(limit: CallLimit, timeout: Duration) -> Self {
        let (now, deadline) = (Instant::now(), Deadline::default());
        if limit == CallLimit::Silence {
            deadline.lift();
        }
        Self { timeout, times: Arc::new(Mutex::new(Times { started: now, progress: now })), deadline }
    }

    /// The first byte may be sent from now on.
    pub(super) fn start(&self) {
        let now = Instant::now();
        *self.times() = Times { started: now, progress: now };
    }

    /// Returns the deadline of the call, for the reader of the answer.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline.clone()
    }

    /// Resolves when the time is up.
    pub(super) async fn ended(&self) {
        while Instant::now() < self.until() {
            sleep_until(self.until()).await;
        }
    }

    /// Something was sent or received.
    fn progress(&self) {
        self.times().progress = Instant::now();
    }

    fn until(&self) -> Instant {
        let Times { started, progress } = *self.times();
        (if self.deadline.is_lifted() { progress } else { started }) + self.timeout
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body whose frames count as progress; one of a response also ends when patience does.
///
/// Trailers end it: they belong to one connection, and a header that came as one protects nothing.
pub(super) struct Watched<B> {
    body: B,
    patience: Patience,
    /// Whether the body watches the time itself.
    watches: bool,
    /// Set while a frame is waited for, and kept for the next one.
    alarm: Option<Pin<Box<Sleep>>>,
    /// The connection that a response comes on.
    hold: Option<Hold>,
}

impl<B> Watched<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// A request body: the wait for the answer's head watches the time.
    pub(super) fn request(body: B, patience: Patience) -> Self {
        Self { body, patience, watches: false, alarm: None, hold: None }
    }

    /// A response body, which watches the time itself.
    pub(super) fn response(body: B, hold: Hold, patience: Patience) -> Self {
        let mut response = Self { body, patience, watches: true, alarm: None, hold: Some(hold) };
        response.let_go_at_end();
        response
    }

    /// Gives the connection back once nothing more comes on it.
    fn let_go_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(hold) = self.hold.take() {
            hold.done();
        }
    }

    /// Ready once the time is up; the alarm is set anew for as long as there was progress.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.watches {
            return Poll::Pending;
        }
        let patience = &self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(patience.until())));
        loop {
            ready!(alarm.as_mut().poll(cx));
            let until = patience.until();
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(until);
        }
    }
}

impl<B> HttpBody for Watched<B>
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
                self.patience.progress();
                self.let_go_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Ok(_)) | None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(lost(Reason::BrokenAnswer, Some(error.into())))))
            }
            Poll::Pending => self.poll_ended(cx).map(|()| Some(Err(lost(Reason::ResponseTimeout, None)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
