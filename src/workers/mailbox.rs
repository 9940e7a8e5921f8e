//! The mailbox of a worker: messages of other threads, which the worker delivers to its own tasks.

use std::mem;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// The mailbox of a worker: answers that it has yet to deliver.
#[derive(Default)]
pub(super) struct Mailbox {
    messages: Mutex<Vec<Message>>,
    arrived: Notify,
}

pub(super) type Message = Box<dyn FnOnce() + Send>;

impl Mailbox {
    /// Adds messages, and wakes the worker.
    pub(super) fn put(&self, messages: Vec<Message>) {
        self.lock().extend(messages);
        self.arrived.notify_one();
    }

    /// Delivers messages for ever. Runs on the worker that the mailbox belongs to.
    pub(super) async fn deliver(&self) {
        loop {
            self.arrived.notified().await;
            let messages = mem::take(&mut *self.lock());
            messages.into_iter().for_each(|message| message());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Message>> {
        // Under this lock messages are only added, or taken all at once.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Mailbox")
    }
}
