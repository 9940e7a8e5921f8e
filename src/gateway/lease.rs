//! The end of an execution's lease, as far as this process can know it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock::{Timestamp, uptime};
use crate::protocol::{OnUnknown, Record, State};

/// The end of a lease. All clones share the same end.
#[derive(Clone, Debug)]
pub(super) struct LeaseEnd {
    lease: Duration,
    asked: Arc<Mutex<LeaseAsked>>,
}

/// The time at which a lease was asked for. The lease ends at most its own length after that. The monotonic
/// clock of a suspended machine stands still, so the machine's uptime counts as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaseAsked {
    at: Instant,
    at_uptime: Duration,
}

impl LeaseAsked {
    /// Returns the current time, taken before the lease is asked for.
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), at_uptime: uptime() }
    }

    /// Returns the end of a lease of this length.
    pub(super) fn for_lease(self, lease: Duration) -> LeaseEnd {
        LeaseEnd { lease, asked: Arc::new(Mutex::new(self)) }
    }
}

impl LeaseAsked {
    /// Returns the end of the time in which a repeated execution of `record` may be sent, where its policy
    /// has a window: its call has the response timeout to end inside the window. `now` is the store's clock
    /// since this moment.
    pub(super) fn until_window_ends(self, record: &Record, now: Timestamp) -> Option<LeaseEnd> {
        match (record.policy.on_unknown, record.state) {
            (OnUnknown::Retry { window: Some(window) }, State::Running { undecided: true, .. }) => {
                let last = record.created_at.plus(window.saturating_sub(record.policy.response_timeout));
                Some(self.for_lease(last.since(now)))
            }
            _ => None,
        }
    }
}

impl LeaseEnd {
    /// Moves the end: the lease was renewed by a request made at `asked`.
    pub(super) fn renewed(&self, asked: LeaseAsked) {
        // One assignment under the lock.
        *self.asked.lock() = asked;
    }

    /// Tells whether the lease is over by either clock.
    pub(super) fn is_over(&self) -> bool {
        let LeaseAsked { at, at_uptime } = *self.asked.lock();
        at.elapsed().max(uptime().saturating_sub(at_uptime)) >= self.lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_by_whichever_clock_is_further() {
        let lease = Duration::from_secs(60);
        let end = LeaseAsked::now().for_lease(lease);
        assert!(!end.is_over());
        let asked = LeaseAsked::now();
        end.renewed(LeaseAsked { at_uptime: asked.at_uptime.saturating_sub(lease), ..asked });
        assert!(end.is_over(), "the machine was suspended");
        end.renewed(LeaseAsked::now());
        assert!(!end.is_over());
        tokio::time::advance(lease).await;
        assert!(end.is_over());
    }
}
