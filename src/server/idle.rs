//! The limit on the idle time of an HTTP/2 connection.
//!
//! On HTTP/1, the strict reader limits the wait for the next head. Without the limit here, an HTTP/2
//! client that answers pings would keep its connection slot for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// The requests of one connection. All of a connection runs on one thread.
#[derive(Debug)]
pub(super) struct Requests {
    opened: Instant,
    begun: AtomicUsize,
    /// Notified when the first request begins.
    first: Notify,
    open: AtomicUsize,
    /// Time at which the last request ended, in milliseconds since the connection was opened.
    idle_since_ms: AtomicU64,
}

/// An open request. It is dropped when the client has the whole response, or no longer waits for it.
#[derive(Debug)]
pub(super) struct OpenRequest(Arc<Requests>);

impl Requests {
    /// Returns the requests of a connection that opens now.
    pub(super) fn new() -> Self {
        let (begun, first, open, idle_since_ms) = Default::default();
        Self { opened: Instant::now(), begun, first, open, idle_since_ms }
    }

    /// Counts a request as open until the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> OpenRequest {
        if self.begun.fetch_add(1, Relaxed) == 0 {
            self.first.notify_one();
        }
        self.open.fetch_add(1, Relaxed);
        OpenRequest(Arc::clone(self))
    }

    /// Waits until the first request has begun. Only one task may wait.
    pub(super) async fn first(&self) {
        if self.begun.load(Relaxed) == 0 {
            self.first.notified().await;
        }
    }

    /// Waits until the first request did not come within `first`, or no request was open for `timeout`.
    pub(super) async fn idle(&self, first: Duration, timeout: Duration) {
        sleep_until(self.opened + first).await;
        if self.begun.load(Relaxed) > 0 {
            self.idle_for(timeout).await;
        }
    }

    /// Waits until no request was open for `timeout`.
    pub(super) async fn idle_for(&self, timeout: Duration) {
        loop {
            if self.open.load(Relaxed) > 0 {
                sleep(timeout).await;
                continue;
            }
            let due = self.idle_since() + timeout;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// Waits until a client that was told to leave has had no open request for `timeout` since then.
    pub(super) async fn overstays(&self, timeout: Duration) {
        sleep(timeout).await;
        self.idle_for(timeout).await;
    }

    fn idle_since(&self) -> Instant {
        self.opened + Duration::from_millis(self.idle_since_ms.load(Relaxed))
    }
}

impl Drop for OpenRequest {
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
    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle() {
        let requests = Arc::new(Requests::new());
        let began = Instant::now();
        requests.idle(FIRST, TIMEOUT).await;
        assert_eq!(began.elapsed(), FIRST);
        drop(requests.begin());
        requests.idle(FIRST, TIMEOUT).await;
        assert_eq!(began.elapsed(), FIRST + TIMEOUT);
    }

    #[tokio::test]
    async fn the_first_request_is_awaited() {
        let requests = Arc::new(Requests::new());
        let first = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.first().await }
        });
        tokio::task::yield_now().await;
        assert!(!first.is_finished());
        drop(requests.begin());
        first.await.expect("no panic");
        requests.first().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_request_may_take_long_and_each_new_one_begins_the_time_anew() {
        let requests = Arc::new(Requests::new());
        let open = requests.begin();
        let idle = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.idle(FIRST, TIMEOUT).await }
        });
        sleep(10 * TIMEOUT).await;
        drop(open);
        for _ in 0..10 {
            sleep(TIMEOUT * 9 / 10).await;
            drop(requests.begin());
        }
        assert!(!idle.is_finished());
        timeout(TIMEOUT + FIRST, idle).await.expect("in time").expect("no panic");
    }
}
