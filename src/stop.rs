//! The steps of stopping: first the gateway says that it will, then nothing new runs, later nothing runs on.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Shared by everything that has to know that the gateway stops. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    announced: CancellationToken,
    drain: CancellationToken,
    cut: CancellationToken,
}

impl Stop {
    /// From now on the gateway is about to stop: balancers are to look for another one. All goes on.
    pub fn announce(&self) {
        self.announced.cancel();
    }

    /// The token that is cancelled by [`Stop::announce`], and at the latest when the drain begins.
    #[must_use]
    pub fn announced(&self) -> CancellationToken {
        self.announced.clone()
    }

    /// From now on no new execution starts; what runs goes on.
    pub fn begin_drain(&self) {
        self.announced.cancel();
        self.drain.cancel();
    }

    /// Whether [`Stop::begin_drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when the drain begins.
    pub fn drain(&self) -> WaitForCancellationFuture<'_> {
        self.drain.cancelled()
    }

    /// The token that is cancelled when the drain begins, for who only wants to know.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// The drain deadline has passed: executions that still run are recorded as unknown.
    pub fn cut_off(&self) {
        self.cut.cancel();
    }

    /// Resolves when executions are cut off.
    pub fn cut(&self) -> WaitForCancellationFuture<'_> {
        self.cut.cancelled()
    }

    /// Does `work`, but not past the cut; `None` if that came first.
    pub async fn unless_cut<F: Future>(&self, work: F) -> Option<F::Output> {
        self.cut.run_until_cancelled(work).await
    }
}
