//! The limit on the idle time of an HTTP/2 connection.
//!
//! On HTTP/1, the strict reader limits the wait for the next head. Without the limit here, an HTTP/2
//! client that answers pings would keep its connection slot for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

/// The requests of one connection. All of a connection runs on one thread.
#[derive(Debug)]
pub(super) struct Requests {
    opened: Instant,
    begun: AtomicUsize,
    open: AtomicUsize,
    /// Time at which the last request ended, in milliseconds since the connection was opened.
    idle_since_ms: AtomicU64,
}

/// An open request. It is dropped when the client has the whole response, or no longer waits for it.
#[derive(Debug)]
pub(super) struct Open(Arc<Requests>);

impl Requests {
    /// Returns the requests of a connection that opens now.
    pub(super) fn new() -> Self {
        let (begun, open, idle_since_ms) = Default::default();
        Self { opened: Instant::now(), begun, open, idle_since_ms }
    }

    /// Counts a request as open until the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }

    /// Waits until the first request did not come within `first`, or no request was open for `patience`.
    pub(super) async fn idle(&self, first: Duration, patience: Duration) {
        sleep_until(self.opened + first).await;
        if self.begun.load(Relaxed) > 0 {
            self.none_for(patience).await;
        }
    }

    /// Waits until no request was open for `patience`.
    pub(super) async fn none_for(&self, patience: Duration) {
        loop {
            if self.open.load(Relaxed) > 0 {
                sleep(patience).await;
                continue;
            }
            let due = self.idle_since() + patience;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// Waits until a client that was told to leave has had no open request for `patience` since then.
    pub(super) async fn stays(&self, patience: Duration) {
        sleep(patience).await;
        self.none_for(patience).await;
    }

    fn idle_since(&self) -> Instant {
        self.opened + Duration::from_millis(self.idle_since_ms.load(Relaxed))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Requests { opened, open, idle_since_ms, .. } = &*self.0;
        open.fetch_sub(1, Relaxed);
        idle_since_ms.store(opened.elapsed().as_millis() as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_asked_is_idle() {
        let requests = Arc::new(Requests::new());
        let began = Instant::now();
        requests.idle(FIRST, PATIENCE).await;
        assert_eq!(began.elapsed(), FIRST);
        drop(requests.begin());
        requests.idle(FIRST, PATIENCE).await;
        assert_eq!(began.elapsed(), FIRST + PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_request_may_take_long_and_each_new_one_begins_the_time_anew() {
        let requests = Arc::new(Requests::new());
        let open = requests.begin();
        let idle = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.idle(FIRST, PATIENCE).await }
        });
        sleep(10 * PATIENCE).await;
        drop(open);
        for _ in 0..10 {
            sleep(PATIENCE * 9 / 10).await;
            drop(requests.begin());
        }
        assert!(!idle.is_finished());
        timeout(PATIENCE + FIRST, idle).await.expect("in time").expect("no panic");
    }
}
