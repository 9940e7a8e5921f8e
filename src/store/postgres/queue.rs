//! What waits to be asked, and what of it goes into one statement.
//!
//! Whatever of one kind waits when a connection becomes free goes together, in the order of the
//! ids and each id once. A lone question finds a free connection and waits for nobody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::protocol::RecordId;

use super::failure::Failure;
use super::tasks::{Claim, Read, Remove, Task, Watch, Write};

/// How many questions may wait.
const MOST_WAITING: usize = 4096;
/// How many go into one statement.
const MOST_TOGETHER: usize = 128;
/// The bytes after which a statement takes no further ones.
const MOST_BYTES: usize = 4 << 20;

/// A question and who asks it.
pub(super) struct Asked<T: Task> {
    pub(super) task: T,
    since: Instant,
    answer: oneshot::Sender<Result<T::Answer, Failure>>,
}

/// Questions of one kind that are asked together.
pub(super) struct Batch<T: Task>(BTreeMap<RecordId, Asked<T>>);

/// A batch of some kind.
pub(super) enum AnyBatch {
    Claims(Batch<Claim>),
    Writes(Batch<Write>),
    Removals(Batch<Remove>),
    Reads(Batch<Read>),
    Watches(Batch<Watch>),
}

/// The questions that wait.
pub(super) struct Queue {
    shelves: Mutex<Shelves>,
    more: Notify,
    /// How long a question may wait before it is not worth asking.
    patience: Duration,
}

/// One shelf a kind, the oldest question first.
#[derive(Default)]
pub(super) struct Shelves {
    pub(super) claims: Shelf<Claim>,
    pub(super) writes: Shelf<Write>,
    pub(super) removals: Shelf<Remove>,
    pub(super) reads: Shelf<Read>,
    pub(super) watches: Shelf<Watch>,
}

/// The questions of one kind.
pub(super) struct Shelf<T: Task>(VecDeque<Asked<T>>);

impl<T: Task> Default for Shelf<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl Queue {
    /// An empty queue, in which nothing waits for longer than `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self { shelves: Mutex::default(), more: Notify::new(), patience }
    }

    /// Asks, and waits for the answer. A question that nobody waits for any more is not asked.
    pub(super) async fn ask<T: Task>(&self, task: T) -> Result<T::Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        {
            let mut shelves = self.lock();
            if shelves.len() >= MOST_WAITING {
                return Err(Failure::Down(format!("more than {MOST_WAITING} questions wait for Postgres")));
            }
            T::shelf(&mut shelves).0.push_back(Asked { task, since: Instant::now(), answer });
        }
        self.more.notify_one();
        answered.await.unwrap_or_else(|_| Err(Failure::Unclear("the store was closed".into())))
    }

    /// Waits for something to be asked; takes what goes together with the oldest question. `taken` is
    /// called before anybody can see that it has been taken.
    pub(super) async fn next(&self, taken: impl Fn()) -> AnyBatch {
        loop {
            if let Some(batch) = self.take(&taken) {
                return batch;
            }
            self.more.notified().await;
        }
    }

    /// Answers everybody who waits.
    pub(super) fn refuse_all(&self, failure: &Failure) {
        let shelves = std::mem::take(&mut *self.lock());
        shelves.claims.refuse(failure);
        shelves.writes.refuse(failure);
        shelves.removals.refuse(failure);
        shelves.reads.refuse(failure);
        shelves.watches.refuse(failure);
    }

    /// Takes a look, so that what others have taken before is known.
    pub(super) fn look(&self) {
        drop(self.lock());
    }

    fn take(&self, taken: impl Fn()) -> Option<AnyBatch> {
        let mut shelves = self.lock();
        let batch = shelves.take(self.patience);
        if batch.is_some() {
            taken();
        }
        if shelves.len() > 0 {
            // Somebody else may be free, and has perhaps been told only once.
            self.more.notify_one();
        }
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // Every change is one operation on a collection, or leaves out what is answered already.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn len(&self) -> usize {
        self.claims.0.len()
            + self.writes.0.len()
            + self.removals.0.len()
            + self.reads.0.len()
            + self.watches.0.len()
    }

    fn take(&mut self, patience: Duration) -> Option<AnyBatch> {
        let ages = [
            self.claims.tidy(patience),
            self.writes.tidy(patience),
            self.removals.tidy(patience),
            self.reads.tidy(patience),
            self.watches.tidy(patience),
        ];
        let waiting = ages.into_iter().enumerate().filter_map(|(kind, since)| Some((since?, kind)));
        Some(match waiting.min()?.1 {
            0 => AnyBatch::Claims(self.claims.take()),
            1 => AnyBatch::Writes(self.writes.take()),
            2 => AnyBatch::Removals(self.removals.take()),
            3 => AnyBatch::Reads(self.reads.take()),
            _ => AnyBatch::Watches(self.watches.take()),
        })
    }
}

impl<T: Task> Shelf<T> {
    /// Drops what is not worth asking; since when the oldest question waits.
    fn tidy(&mut self, patience: Duration) -> Option<Instant> {
        while let Some(asked) =
            self.0.pop_front_if(|asked| asked.answer.is_closed() || asked.since.elapsed() > patience)
        {
            asked
                .answer_with(Err(Failure::Down("all connections to Postgres were busy for too long".into())));
        }
        self.0.front().map(|asked| asked.since)
    }

    fn take(&mut self) -> Batch<T> {
        let (mut batch, mut bytes) = (BTreeMap::new(), 0);
        let mut left = VecDeque::new();
        while let Some(asked) = self.0.pop_front() {
            let full = batch.len() >= MOST_TOGETHER || bytes >= MOST_BYTES;
            if full || batch.contains_key(&asked.task.id()) {
                left.push_back(asked);
            } else if !asked.answer.is_closed() {
                bytes += asked.task.size();
                batch.insert(asked.task.id(), asked);
            }
            if full {
                break;
            }
        }
        left.append(&mut self.0);
        self.0 = left;
        Batch(batch)
    }

    fn refuse(self, failure: &Failure) {
        self.0.into_iter().for_each(|asked| asked.answer_with(Err(failure.clone())));
    }
}

impl<T: Task> Asked<T> {
    fn answer_with(self, answer: Result<T::Answer, Failure>) {
        // Who asked may have gone.
        drop(self.answer.send(answer));
    }
}

impl<T: Task> Batch<T> {
    /// The questions without an answer, in the order of their ids.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.values().map(|asked| &asked.task)
    }

    /// The question about `id`.
    pub(super) fn task(&self, id: RecordId) -> Option<&T> {
        self.0.get(&id).map(|asked| &asked.task)
    }

    /// Whether all questions have been answered.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// How many questions have no answer.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Answers the question about `id`.
    pub(super) fn answer(&mut self, id: RecordId, answer: Result<T::Answer, Failure>) {
        if let Some(asked) = self.0.remove(&id) {
            asked.answer_with(answer);
        }
    }

    /// Answers all questions that are left.
    pub(super) fn fail(self, failure: &Failure) {
        self.0.into_values().for_each(|asked| asked.answer_with(Err(failure.clone())));
    }

    /// Those questions that somebody still waits for, each by itself.
    pub(super) fn apart(self) -> impl Iterator<Item = Self> {
        let wanted = self.0.into_iter().filter(|(_, asked)| !asked.answer.is_closed());
        wanted.map(|(id, asked)| Self(BTreeMap::from([(id, asked)])))
    }
}
