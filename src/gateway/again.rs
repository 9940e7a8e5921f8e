//! Writing to a store that is away, until it is back.

use std::time::Duration;

use tokio::select;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::protocol::RecordId;
use crate::store::{Ledger, StoreError};

/// How long to wait before a failed write is tried again: at first, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Repeats `write` until the store takes it, or cannot ever: what it holds there is unreadable, or
/// it is broken for good. The wait doubles from try to try.
pub(super) async fn until_taken<F>(ledger: &Ledger, id: RecordId, write: impl FnMut() -> F)
where
    F: Future<Output = Result<(), StoreError>>,
{
    select! {
        () = repeat(id, write) => {}
        _ = ledger.store().broken() => warn!(record = %id, "not written: the store is broken for good"),
    }
}

async fn repeat<F>(id: RecordId, mut write: impl FnMut() -> F)
where
    F: Future<Output = Result<(), StoreError>>,
{
    let (mut wait, longest) = WAIT;
    loop {
        sleep(wait).await;
        match write().await {
            Ok(()) => return,
            Err(error @ StoreError::Unreadable { .. }) => return error!("given up: {error}"),
            Err(error) => warn!(record = %id, "not written yet: {error}"),
        }
        wait = (wait * 2).min(longest);
    }
}
