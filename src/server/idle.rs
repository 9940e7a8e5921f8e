//! How long nothing may be asked on an HTTP/2 connection.
//!
//! Of HTTP/1 the library limits the wait for the next head. An HTTP/2 client that answers pings would
//! keep its place among the connections for ever without this.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::sleep;

/// The requests of one connection, all of which happens on one thread.
#[derive(Debug, Default)]
pub(super) struct Requests {
    begun: AtomicUsize,
    open: AtomicUsize,
}

/// A request; dropped, it has its whole answer, or nobody waits for one.
#[derive(Debug)]
pub(super) struct Open(Arc<Requests>);

impl Requests {
    /// One more.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }

    /// Ends once none was open for `patience`, or twice that at most.
    pub(super) async fn none_for(&self, patience: Duration) {
        loop {
            let before = self.begun.load(Relaxed);
            let idle = self.open.load(Relaxed) == 0;
            sleep(patience).await;
            if idle && self.begun.load(Relaxed) == before {
                return;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_asked_is_idle() {
        let requests = Arc::<Requests>::default();
        let began = Instant::now();
        requests.none_for(PATIENCE).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_request_may_take_long_and_each_new_one_begins_the_time_anew() {
        let requests = Arc::<Requests>::default();
        let open = requests.begin();
        let idle = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.none_for(PATIENCE).await }
        });
        sleep(10 * PATIENCE).await;
        drop(open);
        for _ in 0..10 {
            sleep(PATIENCE * 9 / 10).await;
            drop(requests.begin());
        }
        assert!(!idle.is_finished());
        timeout(2 * PATIENCE, idle).await.expect("in time").expect("no panic");
    }
}
