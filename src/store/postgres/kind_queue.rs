//! The queued tasks of one kind, the oldest first.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::failure::Failure;
use crate::workers::Callbacks;

use super::batch::{Batch, Queued, Task};

/// Maximum number of tasks in one batch.
const MOST_TOGETHER: usize = 128;
/// Number of bytes after which a batch takes no further tasks.
const MOST_BYTES: usize = 4 << 20;

/// The queued tasks of one kind.
pub(super) struct KindQueue<T: Task>(VecDeque<Queued<T>>);

impl<T: Task> Default for KindQueue<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Task> KindQueue<T> {
    /// Returns the number of queued tasks.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Queues a task behind the others.
    pub(super) fn push(&mut self, queued: Queued<T>) {
        self.0.push_back(queued);
    }

    /// Queues a task before the others, because it waited already.
    pub(super) fn push_back(&mut self, queued: Queued<T>) {
        self.0.push_front(queued);
    }

    /// Drops tasks that are no longer worth running: the caller has left, or they waited longer than
    /// `max_wait`, which is answered with `busy`. Returns when the oldest remaining one was queued.
    pub(super) fn tidy(&mut self, max_wait: Duration, busy: &Failure) -> Option<Instant> {
        if self.0.is_empty() {
            return None;
        }
        let mut callbacks = Callbacks::default();
        while let Some(queued) =
            self.0.pop_front_if(|queued| queued.answer.is_closed() || queued.since.elapsed() > max_wait)
        {
            callbacks.answer(queued.answer, Err(busy.clone()));
        }
        self.0.front().map(|queued| queued.since)
    }

    /// Takes the tasks that go into one batch, at most one about each record.
    pub(super) fn take(&mut self) -> Batch<T> {
        let (mut batch, mut bytes) = (Batch::new(), 0);
        let mut left = VecDeque::new();
        while let Some(queued) = self.0.pop_front() {
            let full = batch.len() >= MOST_TOGETHER || bytes >= MOST_BYTES;
            if full || batch.task(queued.task.id()).is_some() {
                left.push_back(queued);
            } else if !queued.answer.is_closed() {
                bytes += queued.task.size();
                batch.add(queued);
            }
            if full {
                break;
            }
        }
        left.append(&mut self.0);
        self.0 = left;
        batch
    }

    /// Answers every task with `failure`.
    pub(super) fn refuse(self, failure: &Failure) {
        let mut callbacks = Callbacks::default();
        self.0.into_iter().for_each(|queued| callbacks.answer(queued.answer, Err(failure.clone())));
    }
}
