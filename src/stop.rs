//! The steps of stopping: the gateway announces the stop, then starts nothing new, and at last cuts off what
//! still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// A handle for every part that must know that the gateway stops. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    announced: CancellationToken,
    announced_flag: AnnouncedFlag,
    drain: CancellationToken,
    cut: CancellationToken,
}

/// A flag that is set once the stop is announced. Each response reads it, and a token would be locked.
#[derive(Clone, Debug, Default)]
pub struct AnnouncedFlag(Arc<AtomicBool>);

impl AnnouncedFlag {
    /// Tells whether the stop is announced.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Stop {
    /// Announces that the gateway is about to stop, so that balancers and clients look for another one. All
    /// requests are still served, and connections end with their current requests.
    pub fn announce(&self) {
        self.announced_flag.0.store(true, Relaxed);
        self.announced.cancel();
    }

    /// Returns the token that is cancelled by [`Stop::announce`], and at the latest when the drain begins.
    #[must_use]
    pub fn announced(&self) -> CancellationToken {
        self.announced.clone()
    }

    /// Returns the flag that [`Stop::announced`] has, too.
    #[must_use]
    pub fn announced_flag(&self) -> AnnouncedFlag {
        self.announced_flag.clone()
    }

    /// Begins the drain: no new execution starts, and running ones go on.
    pub fn begin_drain(&self) {
        self.announce();
        self.drain.cancel();
    }

    /// Tells whether [`Stop::begin_drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when the drain begins.
    pub fn drain(&self) -> WaitForCancellationFuture<'_> {
        self.drain.cancelled()
    }

    /// Returns the token that is cancelled when the drain begins.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Cuts off executions that still run, after the drain deadline. They are recorded as unknown.
    pub fn cut_off(&self) {
        self.cut.cancel();
    }

    /// Resolves when executions are cut off.
    pub fn cut(&self) -> WaitForCancellationFuture<'_> {
        self.cut.cancelled()
    }

    /// Runs `work` until it ends or the cut comes. Returns `None` if the cut came first.
    pub async fn unless_cut<F: Future>(&self, work: F) -> Option<F::Output> {
        self.cut.run_until_cancelled(work).await
    }
}
