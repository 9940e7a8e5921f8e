//! Limits on the waits for a client of HTTP/1: one for a head that has begun, another for a connection
//! between two requests.
//!
//! One timer serves a connection for its whole life. It is set anew only when it fires too early or
//! would fire too late, so that a request on a busy connection costs no timer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The wait of one connection.
#[derive(Debug)]
pub(super) struct ReadTimeouts {
    limits: Limits,
    waiting: Option<Waiting>,
    alarm: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    head: Duration,
    idle: Duration,
}

/// The awaited bytes, and the start of the wait.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    /// The rest of a head, or the first head of the connection.
    Head(Instant),
    /// The next request.
    Idle(Instant),
}

impl ReadTimeouts {
    /// Begins the wait for the first head of a connection.
    pub(super) fn new(head: Duration, idle: Duration) -> Self {
        let waiting = Some(Waiting::Head(Instant::now()));
        Self { limits: Limits { head, idle }, waiting, alarm: None }
    }

    /// Ends the wait, because a whole head has come.
    pub(super) fn stop(&mut self) {
        self.waiting = None;
    }

    /// Returns the error of a wait that is too long. `begun` tells whether a part of a head has come.
    pub(super) fn poll_late(&mut self, begun: bool, context: &mut Context<'_>) -> Poll<io::Error> {
        let due = self.due(begun);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if alarm.deadline() > due {
            alarm.as_mut().reset(due);
        }
        loop {
            ready!(alarm.as_mut().poll(context));
            if Instant::now() >= due {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            alarm.as_mut().reset(due);
        }
    }

    fn due(&mut self, begun: bool) -> Instant {
        let waiting = match (self.waiting, begun) {
            (None | Some(Waiting::Idle(_)), true) => Waiting::Head(Instant::now()),
            (None, false) => Waiting::Idle(Instant::now()),
            (Some(waiting), _) => waiting,
        };
        self.waiting = Some(waiting);
        match waiting {
            Waiting::Head(since) => since + self.limits.head,
            Waiting::Idle(since) => since + self.limits.idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    async fn late(timeouts: &mut ReadTimeouts, begun: bool) -> Duration {
        let since = Instant::now();
        poll_fn(|context| timeouts.poll_late(begun, context)).await;
        since.elapsed()
    }

    /// Polls as a connection does that has nothing to read for `time`.
    async fn passes(timeouts: &mut ReadTimeouts, begun: bool, time: Duration) {
        let until = Instant::now() + time;
        tokio::select! {
            biased;
            _ = poll_fn(|context| timeouts.poll_late(begun, context)) => panic!("it is not late yet"),
            () = sleep_until(until) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_and_one_that_has_begun_have_less_time_than_an_idle_connection() {
        let mut timeouts = ReadTimeouts::new(HEAD, IDLE);
        assert_eq!(late(&mut timeouts, false).await, HEAD);
        let mut timeouts = ReadTimeouts::new(HEAD, IDLE);
        timeouts.stop();
        assert_eq!(late(&mut timeouts, false).await, IDLE);
        timeouts.stop();
        passes(&mut timeouts, false, IDLE / 2).await;
        assert_eq!(late(&mut timeouts, true).await, HEAD);
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_begins_the_time_anew_and_a_trickling_head_does_not() {
        let mut timeouts = ReadTimeouts::new(HEAD, IDLE);
        for _ in 0..10 {
            timeouts.stop();
            passes(&mut timeouts, false, IDLE * 9 / 10).await;
            passes(&mut timeouts, true, HEAD * 9 / 10).await;
        }
        assert_eq!(late(&mut timeouts, true).await, HEAD / 10);
    }
}
