//! The mailbox of a worker: messages of other threads, which the worker delivers to its own tasks.

use std::mem;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// The mailbox of a worker: answers that it has yet to deliver.
#[derive(Default)]
pub(super) struct Inbox {
    letters: Mutex<Vec<Letter>>,
    more: Notify,
}

pub(super) type Letter = Box<dyn FnOnce() + Send>;

impl Inbox {
    /// Adds messages, and wakes the worker.
    pub(super) fn put(&self, letters: Vec<Letter>) {
        self.lock().extend(letters);
        self.more.notify_one();
    }

    /// Delivers messages for ever. Runs on the worker that the mailbox belongs to.
    pub(super) async fn hand_out(&self) {
        loop {
            self.more.notified().await;
            let letters = mem::take(&mut *self.lock());
            letters.into_iter().for_each(|letter| letter());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Letter>> {
        // Under this lock messages are only added, or taken all at once.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Inbox")
    }
}
