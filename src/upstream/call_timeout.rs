//! The response timeout of one call. It limits the time from the first byte sent to the last byte of the
//! response. For requests that no key protects, and for responses that are not kept, it limits each
//! silence.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::call::{CallLimit, Deadline};

/// Time limit of a call. Clones share the times.
#[derive(Clone)]
pub(super) struct CallTimeout {
    timeout: Duration,
    times: Arc<Mutex<Times>>,
    /// Deadline of the whole call. Each silence is limited if there is none, or once it is lifted.
    deadline: Option<Deadline>,
}

#[derive(Clone, Copy)]
struct Times {
    started: Instant,
    /// Time at which bytes were last sent or received.
    progress: Instant,
}

impl CallTimeout {
    pub(super) fn new(limit: CallLimit, timeout: Duration) -> Self {
        let (now, deadline) = (Instant::now(), (limit == CallLimit::Whole).then(Deadline::default));
        Self { timeout, times: Arc::new(Mutex::new(Times { started: now, progress: now })), deadline }
    }

    /// Starts the time, because the first byte may be sent from now on.
    pub(super) fn start(&self) {
        let now = Instant::now();
        *self.times.lock() = Times { started: now, progress: now };
    }

    /// Returns the deadline of the call, for the reader of the response.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.deadline.clone()
    }

    /// Records that bytes were sent or received.
    pub(super) fn progress(&self) {
        self.times.lock().progress = Instant::now();
    }

    fn ends_at(&self) -> Instant {
        let Times { started, progress } = *self.times.lock();
        let limits_silence = self.deadline.as_ref().is_none_or(Deadline::is_lifted);
        (if limits_silence { progress } else { started }) + self.timeout
    }
}

/// A timer for the calls on one connection, one after the other. Making and removing a timer takes longer than
/// looking at it, so it stays set between calls, and is set anew only when it is over or would be late.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Waits until the time of a call is up.
    pub(super) async fn elapsed(&mut self, timeout: &CallTimeout) {
        poll_fn(|context| self.poll_elapsed(timeout, context)).await;
    }

    /// Returns ready once the time of a call is up. The timer is set anew as long as there was progress.
    pub(super) fn poll_elapsed(&mut self, timeout: &CallTimeout, context: &mut Context<'_>) -> Poll<()> {
        let mut ends_at = timeout.ends_at();
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(ends_at)));
        if timer.deadline() > ends_at {
            timer.as_mut().reset(ends_at);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            ends_at = timeout.ends_at();
            if Instant::now() >= ends_at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(ends_at);
        }
    }
}
