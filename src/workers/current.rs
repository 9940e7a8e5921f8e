//! The worker of the current thread.

use std::cell::RefCell;
use std::sync::Arc;

use super::mailbox::Mailbox;

thread_local! {
    static CURRENT: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// The worker of the current thread.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) mailbox: Arc<Mailbox>,
}

/// Makes the current thread a worker.
pub(super) fn become_worker(worker: Worker) {
    CURRENT.set(Some(worker));
}

/// Returns the number of the current worker, from 1, or 0 on any other thread.
#[must_use]
pub fn current() -> usize {
    CURRENT.with_borrow(|current| current.as_ref().map_or(0, |worker| worker.number))
}

/// Returns the mailbox of the current worker, or `None` on any other thread.
pub(super) fn mailbox() -> Option<Arc<Mailbox>> {
    CURRENT.with_borrow(|current| current.as_ref().map(|worker| Arc::clone(&worker.mailbox)))
}
