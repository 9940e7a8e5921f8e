//! The requests as they end, for operators who look on.
//!
//! While there is no watcher, a request pays one load of a counter. With watchers, each ended request is
//! passed on through a queue of fixed length. A watcher that reads too slowly misses requests and learns how
//! many. A line holds what the access log holds: never a key, a credential, a query or a body.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::Method;
use tokio::sync::broadcast;

use crate::clock::Timestamp;
use crate::protocol::{Labels, RecordId};

/// Number of requests that a watcher may be behind.
const QUEUE: usize = 256;
/// Largest number of watchers at once.
const MOST_WATCHERS: usize = 16;

/// A request that has ended.
#[derive(Clone, Debug)]
pub struct EndedRequest {
    /// Time of the end, on this machine's clock.
    pub at: Timestamp,
    /// Method of the request.
    pub method: Method,
    /// Path of the request, without its query.
    pub path: String,
    /// Name of the route, or empty if no route matched.
    pub route: Arc<str>,
    /// Outcome in the words of the access log.
    pub outcome: &'static str,
    /// Status of the answer, unless the client had left.
    pub status: Option<u16>,
    /// Record that the request was about.
    pub record: Option<RecordId>,
    /// Time from the request's head to its answer.
    pub took: Duration,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// Labels of the request.
    pub labels: Labels,
}

/// The source of ended requests.
#[derive(Debug)]
pub struct Tail {
    watchers: Arc<AtomicUsize>,
    sender: broadcast::Sender<Arc<EndedRequest>>,
}

/// A reader of ended requests.
#[derive(Debug)]
pub struct Watcher {
    receiver: broadcast::Receiver<Arc<EndedRequest>>,
    watchers: Arc<AtomicUsize>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { watchers: Arc::default(), sender: broadcast::Sender::new(QUEUE) }
    }
}

impl Tail {
    /// Passes on the request that `line` makes, if there is a watcher.
    pub fn ended(&self, line: impl FnOnce() -> EndedRequest) {
        if self.watchers.load(Relaxed) > 0 {
            // A failure means that the last watcher has just left.
            drop(self.sender.send(Arc::new(line())));
        }
    }

    /// Returns a watcher of the requests that end from now on, unless there are too many watchers.
    #[must_use]
    pub fn watch(&self) -> Option<Watcher> {
        let watchers = Arc::clone(&self.watchers);
        watchers.fetch_update(Relaxed, Relaxed, |count| (count < MOST_WATCHERS).then_some(count + 1)).ok()?;
        Some(Watcher { receiver: self.sender.subscribe(), watchers })
    }
}

impl Watcher {
    /// Waits for the next request. Returns `Err` with the number of requests that this watcher has missed.
    ///
    /// # Errors
    /// The number of missed requests.
    pub async fn next(&mut self) -> Result<Arc<EndedRequest>, u64> {
        match self.receiver.recv().await {
            Ok(request) => Ok(request),
            Err(broadcast::error::RecvError::Lagged(missed)) => Err(missed),
            // The source lives as long as the gateway.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watchers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> EndedRequest {
        EndedRequest {
            at: Timestamp(1),
            method: Method::POST,
            path: path.into(),
            route: "pay".into(),
            outcome: "completed",
            status: Some(201),
            record: None,
            took: Duration::from_millis(3),
            client: None,
            labels: Labels::default(),
        }
    }

    #[tokio::test]
    async fn without_a_watcher_no_line_is_made_and_a_slow_watcher_learns_what_it_missed() {
        let tail = Tail::default();
        tail.ended(|| panic!("there is no watcher"));
        let mut watcher = tail.watch().expect("the first one");
        for number in 0..QUEUE + 2 {
            tail.ended(|| request(&number.to_string()));
        }
        assert_eq!(watcher.next().await.map(|line| line.path.clone()), Err(2));
        assert_eq!(watcher.next().await.map(|line| line.path.clone()), Ok("2".into()));
        drop(watcher);
        tail.ended(|| panic!("the watcher has left"));
    }

    #[test]
    fn the_number_of_watchers_is_bounded() {
        let tail = Tail::default();
        let mut watchers: Vec<_> = (0..MOST_WATCHERS).map(|_| tail.watch().expect("a watcher")).collect();
        assert!(tail.watch().is_none());
        watchers.pop();
        assert!(tail.watch().is_some());
    }
}
