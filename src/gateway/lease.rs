//! When an execution's lease ends, by what this process can know of it.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::uptime;

/// The end of a lease, counted from before it was asked for. A machine that was suspended wakes with a
/// monotonic clock that stood still meanwhile, so its uptime counts as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaseEnd {
    asked_at: Instant,
    asked_at_uptime: Duration,
    lease: Duration,
}

impl LeaseEnd {
    /// Of a lease that is asked for now; how long it is comes with the answer.
    pub(super) fn asked_now() -> Self {
        Self { asked_at: Instant::now(), asked_at_uptime: uptime(), lease: Duration::ZERO }
    }

    /// The same with this length.
    pub(super) fn after(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Whether it is over, by either clock.
    pub(super) fn is_over(&self) -> bool {
        let suspended = uptime().saturating_sub(self.asked_at_uptime);
        self.asked_at.elapsed().max(suspended) >= self.lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_by_whichever_clock_is_further() {
        let lease = Duration::from_secs(60);
        let end = LeaseEnd::asked_now().after(lease);
        assert!(!end.is_over());
        let suspended = LeaseEnd { asked_at_uptime: end.asked_at_uptime.saturating_sub(lease), ..end };
        assert!(suspended.is_over());
        tokio::time::advance(lease).await;
        assert!(end.is_over());
    }
}
