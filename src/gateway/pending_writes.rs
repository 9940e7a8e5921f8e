//! Repeated writes to a store that is away, until the store is back.

use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, warn};

use crate::backoff::Backoff;
use crate::protocol::RecordId;
use crate::store::{Ledger, StoreError};

/// Time before a failed write is tried again, before jitter: at first, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The queue of writes for a store that is away. The store's first answer to any request wakes all of them.
pub(super) struct PendingWrites(watch::Sender<()>);

impl Default for PendingWrites {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl PendingWrites {
    /// Notes that the store has answered, so it may take the queued writes.
    pub(super) fn store_answered(&self) {
        if self.0.receiver_count() > 0 {
            self.0.send_replace(());
        }
    }

    /// Repeats `write` until the store takes it, and returns its result. Returns `None` if the store can
    /// never take it: the stored record is unreadable, or the store is broken for good. The wait doubles from
    /// try to try, unless the store answers meanwhile.
    pub(super) async fn until_taken<T, F>(
        &self,
        ledger: &Ledger,
        id: RecordId,
        write: impl FnMut() -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        select! {
            taken = self.repeat(id, write) => taken,
            _ = ledger.store().broken() => {
                warn!(record = %id, "not written: the store is broken for good");
                None
            }
        }
    }

    async fn repeat<T, F>(&self, id: RecordId, mut write: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut waits = Backoff::between(WAIT.0, WAIT.1);
        let mut answers = self.0.subscribe();
        loop {
            // The channel stays open: this gateway has the sender.
            let answered = timeout(waits.next_wait(), answers.changed()).await.is_ok();
            match write().await {
                Ok(taken) => return Some(taken),
                Err(error @ StoreError::Unreadable { .. }) => {
                    error!("not written, and not tried again: {error}");
                    return None;
                }
                Err(error) => warn!(record = %id, "not written yet: {error}"),
            }
            if answered {
                waits.reset();
            }
        }
    }
}
