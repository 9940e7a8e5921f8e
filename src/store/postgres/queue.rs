//! The queue of tasks, and the choice of those that go together.
//!
//! All tasks of one kind that are queued when a connection becomes free go together, in the order of the ids
//! and each id once. A single task, or a few, wake a free connection, on their own thread if there is one,
//! and wait for no other batch. Under load a few large batches cost less than many small ones, so a
//! further connection starts only if enough tasks for one are queued, or one has waited long.
//!
//! The queue knows nothing of the tasks: [`Kinds`] says which kinds there are.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::store::failure::Failure;
use crate::workers::{Callbacks, callback};

use super::batch::{Batch, Queued, Task};
use super::kind_queue::KindQueue;
use super::queue_connections::QueueConnections;

/// Maximum number of queued tasks.
const MOST_WAITING: usize = 4096;
/// Number of tasks that may be under way together without waiting for each other.
const FEW: usize = 3;
/// Number of queued tasks that justify another batch while others are under way.
const ENOUGH: usize = 16;
/// The longest wait of a task for a batch to end before another connection takes it.
const LONG: Duration = Duration::from_millis(2);

/// The queues of all kinds of tasks, the oldest task of each first.
pub(super) trait Kinds: Default {
    /// A kind of task. Of two tasks that are equally old, the one of the lesser kind goes first.
    type Kind: Copy + Ord;
    /// A batch of some kind.
    type Batch;

    /// Returns the number of queued tasks.
    fn len(&self) -> usize;

    /// Returns when the oldest task worth running was queued, and its kind. See [`KindQueue::tidy`].
    fn oldest(&mut self, max_wait: Duration, busy: &Failure) -> Option<(Instant, Self::Kind)>;

    /// Takes the tasks of `kind` that go together.
    fn take(&mut self, kind: Self::Kind) -> Self::Batch;

    /// Answers every queued task with `failure`.
    fn refuse(self, failure: &Failure);
}

/// Kinds among which are the tasks `T`.
pub(super) trait Holds<T: Task>: Kinds {
    /// Returns the queue of these tasks.
    fn queue(&mut self) -> &mut KindQueue<T>;
}

/// The queued tasks, and the connections that take them.
pub(super) struct Queue<K: Kinds> {
    // Every change under this lock is one operation on a collection, or leaves out tasks that are already
    // answered.
    state: Mutex<State<K>>,
    /// The wakers, one for each connection.
    wakers: Box<[Notify]>,
    /// The longest wait of a task that is still worth running.
    max_wait: Duration,
    /// Name of the server, for failures.
    server: &'static str,
    /// The failure of a task that waited longer.
    busy: Failure,
}

struct State<K> {
    kinds: K,
    /// Number of tasks that were taken and not answered.
    under_way: usize,
    connections: QueueConnections,
}

/// A batch that a connection took.
pub(super) struct Taken<'a, K: Kinds> {
    pub(super) batch: K::Batch,
    /// Counts the batch as under way until it is dropped.
    pub(super) under_way: UnderWay<'a, K>,
}

/// Tasks that are being answered.
pub(super) struct UnderWay<'a, K: Kinds> {
    queue: &'a Queue<K>,
    tasks: usize,
}

impl<K: Kinds> Drop for UnderWay<'_, K> {
    fn drop(&mut self) {
        self.queue.state.lock().under_way -= self.tasks;
    }
}

/// Marks a connection as waiting until this is dropped.
struct Waiting<'a, K: Kinds> {
    queue: &'a Queue<K>,
    connection: usize,
    /// The moment to look again without being woken.
    until: Option<Instant>,
}

impl<K: Kinds> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        self.queue.state.lock().connections.is_busy(self.connection);
    }
}

impl<K: Kinds> Queue<K> {
    /// Creates an empty queue for this number of connections to `server`, in which no task waits longer than
    /// `max_wait`.
    pub(super) fn new(server: &'static str, connections: usize, max_wait: Duration) -> Self {
        let wakers = (0..connections).map(|_| Notify::new()).collect();
        let connections = QueueConnections::new(connections);
        let state = State { kinds: K::default(), under_way: 0, connections };
        let busy = Failure::down(format!("all connections to {server} were busy for too long"));
        Self { state: Mutex::new(state), wakers, max_wait, server, busy }
    }

    /// Queues a task and waits for its answer. A task is not run once its caller has stopped waiting.
    pub(super) async fn ask<T: Task>(&self, task: T) -> Result<T::Answer, Failure>
    where
        K: Holds<T>,
    {
        let (answer, answered) = callback();
        let chosen = {
            let mut state = self.state.lock();
            if state.kinds.len() >= MOST_WAITING {
                return Err(Failure::down(format!(
                    "more than {MOST_WAITING} calls wait for {}",
                    self.server
                )));
            }
            state.kinds.queue().push(Queued { task, since: Instant::now(), tries: 0, answer });
            state.choose()
        };
        self.wake(chosen);
        answered.await.unwrap_or_else(|| Err(Failure::Unclear("the store was closed".into())))
    }

    /// Puts back tasks after their batch ended without effect, so that another connection runs them. An
    /// operator who ends sessions often ends all of a gateway's sessions at once. A task may therefore be put
    /// back once for each connection, and a new one answers it.
    pub(super) fn requeue<T: Task>(&self, batch: Batch<T>, failure: &Failure)
    where
        K: Holds<T>,
    {
        let mut callbacks = Callbacks::default();
        let chosen = {
            let mut state = self.state.lock();
            for queued in batch.into_queued() {
                let tries = queued.tries + 1;
                if tries > self.wakers.len() {
                    callbacks.answer(queued.answer, Err(failure.clone()));
                } else {
                    state.kinds.queue().push_back(Queued { tries, ..queued });
                }
            }
            state.choose()
        };
        self.wake(chosen);
    }

    /// Waits on a connection for tasks, and takes those that go together with the oldest one. `taken` is
    /// called before any other thread can see that they are taken. Each connection waits once at a time.
    pub(super) async fn next(&self, connection: usize, taken: impl Fn()) -> Taken<'_, K> {
        loop {
            let waiting = match self.take(connection, &taken) {
                Ok(batch) => return batch,
                Err(waiting) => waiting,
            };
            let woken = self.wakers[connection].notified();
            match waiting.until {
                Some(until) => drop(timeout_at(until, woken).await),
                None => woken.await,
            }
        }
    }

    /// Wakes another connection for the queued tasks, because the last connection woken does something else.
    pub(super) fn pass_on(&self) {
        let chosen = self.state.lock().choose();
        self.wake(chosen);
    }

    /// Answers every queued task with `failure`.
    pub(super) fn refuse_all(&self, failure: &Failure) {
        let kinds = std::mem::take(&mut self.state.lock().kinds);
        kinds.refuse(failure);
    }

    /// Takes the lock once, so that every batch taken before this is visible.
    pub(super) fn synchronize(&self) {
        drop(self.state.lock());
    }

    /// Takes a batch, or marks the connection as waiting.
    fn take(&self, connection: usize, taken: impl Fn()) -> Result<Taken<'_, K>, Waiting<'_, K>> {
        let mut state = self.state.lock();
        state.connections.is_busy(connection);
        let oldest = state.kinds.oldest(self.max_wait, &self.busy);
        let ready = oldest.filter(|(since, _)| !state.is_crowd() || since.elapsed() >= LONG);
        let Some((_, kind)) = ready else {
            let until = oldest.map(|(since, _)| since + LONG);
            state.connections.waits(connection, until.is_some());
            return Err(Waiting { queue: self, connection, until });
        };
        let waiting = state.kinds.len();
        let batch = state.kinds.take(kind);
        let tasks = waiting - state.kinds.len();
        state.under_way += tasks;
        taken();
        // Another connection may be free, and may have been woken only once for several tasks.
        let chosen = state.choose();
        drop(state);
        self.wake(chosen);
        Ok(Taken { batch, under_way: UnderWay { queue: self, tasks } })
    }

    /// Wakes the connection that [`State::choose`] chose.
    fn wake(&self, connection: Option<usize>) {
        if let Some(connection) = connection {
            self.wakers[connection].notify_one();
        }
    }
}

impl<K: Kinds> State<K> {
    /// Tells whether the queued tasks had better wait for more while others are being answered.
    fn is_crowd(&self) -> bool {
        let waiting = self.kinds.len();
        self.under_way > 0 && waiting + self.under_way > FEW && waiting < ENOUGH
    }

    /// Chooses a waiting connection to wake, if tasks are queued and no connection will look at them in time
    /// by itself.
    fn choose(&mut self) -> Option<usize> {
        let can_wait = self.is_crowd();
        if self.kinds.len() == 0 { None } else { self.connections.choose(can_wait) }
    }
}

#[cfg(test)]
mod tests;
