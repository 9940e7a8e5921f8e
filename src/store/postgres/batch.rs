//! A task about one record, and the tasks of one kind that go together.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::protocol::RecordId;
use crate::store::failure::Failure;
use crate::workers::{Callback, Callbacks};

/// A kind of task about one record, as the queue sees it.
pub(super) trait Task: Sized + Send + Sync + 'static {
    /// The type of the answer.
    type Answer: Send + 'static;

    /// Returns the id of the record.
    fn id(&self) -> RecordId;

    /// Returns roughly how many bytes the task adds to a batch.
    fn size(&self) -> usize {
        0
    }
}

/// A queued task and the callback for its answer.
pub(super) struct Queued<T: Task> {
    pub(super) task: T,
    pub(super) since: Instant,
    /// Number of runs that ended without effect.
    pub(super) tries: usize,
    pub(super) answer: Callback<Result<T::Answer, Failure>>,
}

/// Tasks of one kind that run together.
pub(super) struct Batch<T: Task>(BTreeMap<RecordId, Queued<T>>);

impl<T: Task> Batch<T> {
    /// Creates an empty batch.
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a task. There is none about the same record yet.
    pub(super) fn add(&mut self, queued: Queued<T>) {
        self.0.insert(queued.task.id(), queued);
    }

    /// Returns the unanswered tasks as they were queued, the one with the greatest id first.
    pub(super) fn into_queued(self) -> impl Iterator<Item = Queued<T>> {
        self.0.into_values().rev()
    }

    /// Returns the unanswered tasks, in the order of their ids.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.values().map(|queued| &queued.task)
    }

    /// Returns the unanswered task about `id`.
    pub(super) fn task(&self, id: RecordId) -> Option<&T> {
        self.0.get(&id).map(|queued| &queued.task)
    }

    /// Tells whether all tasks are answered.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of unanswered tasks.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Answers the task about `id` through `callbacks`.
    pub(super) fn answer(&mut self, id: RecordId, answer: T::Answer, callbacks: &mut Callbacks) {
        if let Some(queued) = self.0.remove(&id) {
            callbacks.answer(queued.answer, Ok(answer));
        }
    }

    /// Answers all remaining tasks with `failure`.
    pub(super) fn fail(self, failure: &Failure) {
        let mut callbacks = Callbacks::default();
        self.0.into_values().for_each(|queued| callbacks.answer(queued.answer, Err(failure.clone())));
    }

    /// Splits off each task that still has a waiter, as a batch of its own.
    pub(super) fn apart(self) -> impl Iterator<Item = Self> {
        let wanted = self.0.into_iter().filter(|(_, queued)| !queued.answer.is_closed());
        wanted.map(|(id, queued)| Self(BTreeMap::from([(id, queued)])))
    }
}
