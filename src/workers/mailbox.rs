//! The mailbox of a worker: messages of other threads, which the worker delivers to its own tasks.

use std::mem;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The mailbox of a worker: answers that it has yet to deliver.
#[derive(Default)]
pub(super) struct Mailbox {
    // Under this lock messages are only added, or taken all at once.
    messages: Mutex<Vec<Message>>,
    arrived: Notify,
}

pub(super) type Message = Box<dyn FnOnce() + Send>;

impl Mailbox {
    /// Adds messages, and wakes the worker.
    pub(super) fn put(&self, messages: Vec<Message>) {
        self.messages.lock().extend(messages);
        self.arrived.notify_one();
    }

    /// Delivers messages for ever. Runs on the worker that the mailbox belongs to.
    pub(super) async fn deliver(&self) {
        loop {
            self.arrived.notified().await;
            let messages = mem::take(&mut *self.messages.lock());
            messages.into_iter().for_each(|message| message());
        }
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Mailbox")
    }
}
