//! The waiters in this process for executions on other gateways.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::protocol::RecordId;

/// The waiters of one store, by record.
// Every change under its lock is one operation on a collection.
#[derive(Default)]
pub(super) struct Waiters(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    by_record: HashMap<RecordId, Vec<(u64, oneshot::Sender<()>)>>,
}

/// A waiter. Resolves when the record's execution has ended, or when that may have been missed.
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    id: RecordId,
    number: u64,
    woken: oneshot::Receiver<()>,
}

impl Waiters {
    /// Adds a waiter for `id`.
    pub(super) fn join(self: &Arc<Self>, id: RecordId) -> Waiter {
        let (wake, woken) = oneshot::channel();
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_record.entry(id).or_default().push((number, wake));
        Waiter { waiters: Arc::clone(self), id, number, woken }
    }

    /// Wakes the waiters for `id`.
    pub(super) fn wake(&self, id: RecordId) {
        // Dropping the senders wakes the waiters.
        self.0.lock().by_record.remove(&id);
    }

    /// Wakes all waiters, because a notification may have been missed.
    pub(super) fn wake_all(&self) {
        self.0.lock().by_record.clear();
    }

    fn leave(&self, id: RecordId, number: u64) {
        let mut waiting = self.0.lock();
        if let Some(same) = waiting.by_record.get_mut(&id) {
            same.retain(|(other, _)| *other != number);
            if same.is_empty() {
                waiting.by_record.remove(&id);
            }
        }
    }
}

impl Future for Waiter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.woken).poll(context).map(drop)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiters.leave(self.id, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waking_reaches_who_waits_for_the_record_and_nobody_is_left_behind() {
        let waiters = Arc::new(Waiters::default());
        let id = |byte| RecordId::from_bytes(&[byte; 20]).expect("twenty bytes");
        let (one, other, gone) = (waiters.join(id(1)), waiters.join(id(2)), waiters.join(id(1)));
        drop(gone);
        waiters.wake(id(1));
        one.await;
        assert!(!waiters.0.lock().by_record.contains_key(&id(1)));
        waiters.wake_all();
        other.await;
        assert!(waiters.0.lock().by_record.is_empty());
    }
}
