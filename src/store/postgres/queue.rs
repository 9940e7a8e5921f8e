//! The queue of tasks, and the choice of those that go into one statement.
//!
//! All tasks of one kind that are queued when a connection becomes free go together, in the order of the ids
//! and each id once. A single task, or a few, wake a free connection, on their own thread if there is one,
//! and wait for no other statement. Under load a few large statements cost less than many small ones, so a
//! further connection starts only if enough tasks for one are queued, or one has waited long.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::protocol::RecordId;
use crate::workers::{self, Callback, Callbacks, callback};

use super::failure::Failure;
use super::tasks::{Claim, Read, Remove, Task, Watch, Write};

/// Maximum number of queued tasks.
const MOST_WAITING: usize = 4096;
/// Maximum number of tasks in one statement.
const MOST_TOGETHER: usize = 128;
/// Number of bytes after which a statement takes no further tasks.
const MOST_BYTES: usize = 4 << 20;
/// Number of tasks that may be under way together without waiting for each other.
const FEW: usize = 3;
/// Number of queued tasks that justify another statement while others are under way.
const ENOUGH: usize = 16;
/// The longest wait of a task for a statement to end before another connection takes it.
const LONG: Duration = Duration::from_millis(2);

/// A queued task and the callback for its answer.
pub(super) struct Asked<T: Task> {
    pub(super) task: T,
    since: Instant,
    /// Number of runs that ended without effect.
    tries: usize,
    answer: Callback<Result<T::Answer, Failure>>,
}

/// Tasks of one kind that run in one statement.
pub(super) struct Batch<T: Task>(BTreeMap<RecordId, Asked<T>>);

/// A batch of some kind.
pub(super) enum AnyBatch {
    Claims(Batch<Claim>),
    Writes(Batch<Write>),
    Removals(Batch<Remove>),
    Reads(Batch<Read>),
    Watches(Batch<Watch>),
}

/// The queued tasks, and the connections that take them.
pub(super) struct Queue {
    state: Mutex<State>,
    /// The wakers, one for each connection.
    bells: Box<[Notify]>,
    /// The longest wait of a task that is still worth running.
    patience: Duration,
}

struct State {
    shelves: Shelves,
    /// Number of tasks that were taken and not answered.
    under_way: usize,
    lanes: Box<[Lane]>,
}

/// A connection from the view of the queue.
#[derive(Clone, Copy, Default)]
struct Lane {
    /// The worker on which the connection last waited.
    worker: usize,
    rest: Rest,
}

/// The state of a connection.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Rest {
    /// The connection is busy, and will look at the queue by itself afterwards.
    #[default]
    Busy,
    /// The connection was woken and has not looked at the queue yet.
    Called,
    /// The connection looks at the queue when it is woken.
    Free,
    /// The connection looks when it is woken, and once the oldest task has waited for [`LONG`].
    Alarmed,
}

/// A queue for each kind of task, the oldest task first.
#[derive(Default)]
pub(super) struct Shelves {
    pub(super) claims: Shelf<Claim>,
    pub(super) writes: Shelf<Write>,
    pub(super) removals: Shelf<Remove>,
    pub(super) reads: Shelf<Read>,
    pub(super) watches: Shelf<Watch>,
}

/// A batch that a connection took.
pub(super) struct Taken<'a> {
    pub(super) batch: AnyBatch,
    /// Counts the batch as under way until it is dropped.
    pub(super) under_way: UnderWay<'a>,
}

/// Tasks that are being answered.
pub(super) struct UnderWay<'a> {
    queue: &'a Queue,
    questions: usize,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.queue.lock().under_way -= self.questions;
    }
}

/// Marks a connection as waiting until this is dropped.
struct Waiting<'a> {
    queue: &'a Queue,
    lane: usize,
    /// The moment to look again without being woken.
    until: Option<Instant>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.lock().lanes[self.lane].rest = Rest::Busy;
    }
}

/// The queued tasks of one kind.
pub(super) struct Shelf<T: Task>(VecDeque<Asked<T>>);

impl<T: Task> Default for Shelf<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl Queue {
    /// Creates an empty queue for this number of connections, in which no task waits longer than `patience`.
    pub(super) fn new(lanes: usize, patience: Duration) -> Self {
        let lanes_at_work = vec![Lane::default(); lanes].into();
        let state = State { shelves: Shelves::default(), under_way: 0, lanes: lanes_at_work };
        Self { state: Mutex::new(state), bells: (0..lanes).map(|_| Notify::new()).collect(), patience }
    }

    /// Queues a task and waits for its answer. A task is not run once its caller has stopped waiting.
    pub(super) async fn ask<T: Task>(&self, task: T) -> Result<T::Answer, Failure> {
        let (answer, answered) = callback();
        let called = {
            let mut state = self.lock();
            if state.shelves.len() >= MOST_WAITING {
                return Err(Failure::Down(format!("more than {MOST_WAITING} calls wait for Postgres")));
            }
            T::shelf(&mut state.shelves).0.push_back(Asked { task, since: Instant::now(), tries: 0, answer });
            state.call()
        };
        self.ring(called);
        answered.await.unwrap_or_else(|| Err(Failure::Unclear("the store was closed".into())))
    }

    /// Puts back tasks after their statement ended without effect, so that another connection runs them. An
    /// operator who ends sessions often ends all of a gateway's sessions at once. A task may therefore be put
    /// back once for each connection, and a new one answers it.
    pub(super) fn again<T: Task>(&self, batch: Batch<T>, failure: &Failure) {
        let mut callbacks = Callbacks::default();
        let called = {
            let mut state = self.lock();
            for asked in batch.0.into_values().rev() {
                let tries = asked.tries + 1;
                if tries > self.bells.len() {
                    callbacks.answer(asked.answer, Err(failure.clone()));
                } else {
                    T::shelf(&mut state.shelves).0.push_front(Asked { tries, ..asked });
                }
            }
            state.call()
        };
        self.ring(called);
    }

    /// Waits on the connection `lane` for tasks, and takes those that go together with the oldest one.
    /// `taken` is called before any other thread can see that they are taken. Each connection waits once at a
    /// time.
    pub(super) async fn next(&self, lane: usize, taken: impl Fn()) -> Taken<'_> {
        loop {
            let waiting = match self.take(lane, &taken) {
                Ok(batch) => return batch,
                Err(waiting) => waiting,
            };
            let called = self.bells[lane].notified();
            match waiting.until {
                Some(until) => drop(timeout_at(until, called).await),
                None => called.await,
            }
        }
    }

    /// Wakes another connection for the queued tasks, because the last connection woken does something else.
    pub(super) fn pass_on(&self) {
        let called = self.lock().call();
        self.ring(called);
    }

    /// Answers every queued task with `failure`.
    pub(super) fn refuse_all(&self, failure: &Failure) {
        let shelves = std::mem::take(&mut self.lock().shelves);
        shelves.claims.refuse(failure);
        shelves.writes.refuse(failure);
        shelves.removals.refuse(failure);
        shelves.reads.refuse(failure);
        shelves.watches.refuse(failure);
    }

    /// Takes the lock once, so that every batch taken before this is visible.
    pub(super) fn look(&self) {
        drop(self.lock());
    }

    /// Takes a batch, or marks the connection as waiting.
    fn take(&self, lane: usize, taken: impl Fn()) -> Result<Taken<'_>, Waiting<'_>> {
        let mut state = self.lock();
        state.lanes[lane].rest = Rest::Busy;
        let oldest = state.shelves.oldest(self.patience);
        let ready = oldest.filter(|(since, _)| !state.is_crowd() || since.elapsed() >= LONG);
        let Some((_, kind)) = ready else {
            let until = oldest.map(|(since, _)| since + LONG);
            let rest = if until.is_some() { Rest::Alarmed } else { Rest::Free };
            state.lanes[lane] = Lane { worker: workers::current(), rest };
            return Err(Waiting { queue: self, lane, until });
        };
        let waiting = state.shelves.len();
        let batch = state.shelves.take(kind);
        let questions = waiting - state.shelves.len();
        state.under_way += questions;
        taken();
        // Another connection may be free, and may have been woken only once for several tasks.
        let called = state.call();
        drop(state);
        self.ring(called);
        Ok(Taken { batch, under_way: UnderWay { queue: self, questions } })
    }

    /// Wakes the connection that [`State::call`] chose.
    fn ring(&self, lane: Option<usize>) {
        if let Some(lane) = lane {
            self.bells[lane].notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one operation on a collection, or leaves out tasks that are already answered.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells whether the queued tasks had better wait for more while others are being answered.
    fn is_crowd(&self) -> bool {
        let waiting = self.shelves.len();
        self.under_way > 0 && waiting + self.under_way > FEW && waiting < ENOUGH
    }

    /// Chooses a waiting connection to wake, if tasks are queued and no connection will look at them in time
    /// by itself. Waking another thread costs a system call, and that thread may be busy. So a connection on
    /// this worker is preferred, then one on the main thread.
    fn call(&mut self) -> Option<usize> {
        let here = workers::current();
        let looks = |lane: &Lane| lane.rest == Rest::Called && lane.worker == here;
        let in_time = self.is_crowd() && self.lanes.iter().any(|lane| lane.rest == Rest::Alarmed);
        if self.shelves.len() == 0 || in_time || self.lanes.iter().any(looks) {
            return None;
        }
        let distance = |lane: &Lane| if lane.worker == here { 0 } else { 1 + lane.worker };
        let waits = |(_, lane): &(usize, &Lane)| matches!(lane.rest, Rest::Free | Rest::Alarmed);
        let nearest = self.lanes.iter().enumerate().filter(waits).min_by_key(|(_, lane)| distance(lane));
        let called = nearest.map(|(number, _)| number)?;
        self.lanes[called].rest = Rest::Called;
        Some(called)
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

    /// Returns when the oldest task worth running was queued, and the number of its kind.
    fn oldest(&mut self, patience: Duration) -> Option<(Instant, usize)> {
        let ages = [
            self.claims.tidy(patience),
            self.writes.tidy(patience),
            self.removals.tidy(patience),
            self.reads.tidy(patience),
            self.watches.tidy(patience),
        ];
        ages.into_iter().enumerate().filter_map(|(kind, since)| Some((since?, kind))).min()
    }

    fn take(&mut self, kind: usize) -> AnyBatch {
        match kind {
            0 => AnyBatch::Claims(self.claims.take()),
            1 => AnyBatch::Writes(self.writes.take()),
            2 => AnyBatch::Removals(self.removals.take()),
            3 => AnyBatch::Reads(self.reads.take()),
            _ => AnyBatch::Watches(self.watches.take()),
        }
    }
}

impl<T: Task> Shelf<T> {
    /// Drops tasks that are no longer worth running. Returns when the oldest remaining one was queued.
    fn tidy(&mut self, patience: Duration) -> Option<Instant> {
        let mut callbacks = Callbacks::default();
        while let Some(asked) =
            self.0.pop_front_if(|asked| asked.answer.is_closed() || asked.since.elapsed() > patience)
        {
            let busy = Failure::Down("all connections to Postgres were busy for too long".into());
            callbacks.answer(asked.answer, Err(busy));
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
        let mut callbacks = Callbacks::default();
        self.0.into_iter().for_each(|asked| callbacks.answer(asked.answer, Err(failure.clone())));
    }
}

impl<T: Task> Batch<T> {
    /// Returns the unanswered tasks, in the order of their ids.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.values().map(|asked| &asked.task)
    }

    /// Returns the unanswered task about `id`.
    pub(super) fn task(&self, id: RecordId) -> Option<&T> {
        self.0.get(&id).map(|asked| &asked.task)
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
        if let Some(asked) = self.0.remove(&id) {
            callbacks.answer(asked.answer, Ok(answer));
        }
    }

    /// Answers all remaining tasks with `failure`.
    pub(super) fn fail(self, failure: &Failure) {
        let mut callbacks = Callbacks::default();
        self.0.into_values().for_each(|asked| callbacks.answer(asked.answer, Err(failure.clone())));
    }

    /// Splits off each task that still has a waiter, as a batch of its own.
    pub(super) fn apart(self) -> impl Iterator<Item = Self> {
        let wanted = self.0.into_iter().filter(|(_, asked)| !asked.answer.is_closed());
        wanted.map(|(id, asked)| Self(BTreeMap::from([(id, asked)])))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;

    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;
    use crate::workers::Workers;

    const LANES: usize = 3;
    const MOMENT: Duration = Duration::from_millis(1);

    fn asked(queue: &Arc<Queue>, ids: std::ops::Range<u8>) {
        for id in ids {
            let queue = Arc::clone(queue);
            let id = RecordId::from_bytes(&[id; 20]).expect("twenty bytes");
            tokio::spawn(async move { drop(queue.ask(Read(id)).await) });
        }
    }

    fn length(taken: &Taken<'_>) -> usize {
        match &taken.batch {
            AnyBatch::Reads(reads) => reads.len(),
            _ => panic!("nothing else was asked"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_questions_do_not_wait_for_each_other() {
        let queue = Arc::new(Queue::new(LANES, Duration::from_secs(1)));
        let mut under_way = Vec::new();
        for number in 0..FEW as u8 {
            asked(&queue, number..number + 1);
            let taken = timeout(MOMENT, queue.next(0, || {})).await.expect("a connection takes it at once");
            assert_eq!(length(&taken), 1);
            under_way.push(taken);
        }
    }

    /// Takes a first statement of `few` tasks, and queues `more` behind it.
    async fn behind(queue: &Arc<Queue>, few: u8, more: u8) -> Taken<'_> {
        asked(queue, 0..few);
        let first = queue.next(0, || {}).await;
        assert_eq!(length(&first), usize::from(few));
        asked(queue, few..few + more);
        first
    }

    #[tokio::test(start_paused = true)]
    async fn many_gather_while_a_statement_is_under_way() {
        let queue = Arc::new(Queue::new(LANES, Duration::from_secs(1)));
        let first = behind(&queue, 1, 9).await;
        assert!(timeout(MOMENT, queue.next(1, || {})).await.is_err(), "nine are not enough for a statement");
        drop(first);
        assert_eq!(length(&queue.next(1, || {}).await), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn enough_for_a_statement_do_not_wait() {
        let queue = Arc::new(Queue::new(LANES, Duration::from_secs(1)));
        let _first = behind(&queue, 1, ENOUGH as u8).await;
        let second = timeout(MOMENT, queue.next(1, || {})).await.expect("they are enough");
        assert_eq!(length(&second), ENOUGH);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_long_for_a_statement_that_does_not_end() {
        let queue = Arc::new(Queue::new(LANES, Duration::from_secs(1)));
        let _stuck = behind(&queue, 1, 9).await;
        let waited = Instant::now();
        assert_eq!(length(&queue.next(1, || {}).await), 9);
        assert_eq!(waited.elapsed(), LONG);
    }

    #[tokio::test]
    async fn a_question_stays_on_the_thread_where_it_is_asked() {
        let workers = Workers::start().expect("threads");
        let count = workers.handles().len();
        let queue = Arc::new(Queue::new(count, Duration::from_secs(60)));
        let (tell, mut told) = mpsc::unbounded_channel();
        for (lane, worker) in workers.handles().iter().enumerate() {
            let (queue, tell) = (Arc::clone(&queue), tell.clone());
            worker.spawn(async move {
                let taken = queue.next(lane, || {}).await;
                tell.send((length(&taken), workers::current())).expect("somebody listens");
            });
        }
        while queue.lock().lanes.iter().any(|lane| lane.rest == Rest::Busy) {
            tokio::task::yield_now().await;
        }
        for (number, worker) in (1..).zip(workers.handles()) {
            let queue = Arc::clone(&queue);
            let id = RecordId::from_bytes(&[0; 20]).expect("twenty bytes");
            worker.spawn(async move { drop(queue.ask(Read(id)).await) });
            assert_eq!(told.recv().await, Some((1, number)));
        }
    }

    /// The connection looks as soon as the running task pauses, and takes both.
    #[tokio::test(start_paused = true)]
    async fn one_connection_is_called_for_what_one_thread_asks_at_once() {
        let queue = Arc::new(Queue::new(LANES, Duration::from_secs(1)));
        for lane in 0..LANES {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { drop(queue.next(lane, || {}).await) });
        }
        tokio::task::yield_now().await;
        let mut questions: Vec<_> = [1, 2]
            .map(|id| Box::pin(queue.ask(Read(RecordId::from_bytes(&[id; 20]).expect("twenty bytes")))))
            .into();
        for question in &mut questions {
            assert!(poll_fn(|context| Poll::Ready(question.as_mut().poll(context))).await.is_pending());
        }
        let called = queue.lock().lanes.iter().filter(|lane| lane.rest == Rest::Called).count();
        assert_eq!(called, 1);
    }

    /// A connection that was woken for a task, and left it for later, does something else.
    #[tokio::test(start_paused = true)]
    async fn what_was_left_for_later_is_passed_on() {
        let queue = Arc::new(Queue::new(LANES, Duration::from_secs(1)));
        let _stuck = behind(&queue, FEW as u8, 0).await;
        let free = |lane| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { length(&queue.next(lane, || {}).await) })
        };
        let (told, other) = (free(1), free(2));
        tokio::task::yield_now().await;
        asked(&queue, 10..11);
        tokio::time::sleep(LONG / 2).await;
        told.abort();
        assert!(told.await.expect_err("it ends").is_cancelled());
        queue.pass_on();
        let taken = timeout(LONG, other).await.expect("it does not wait for the next question");
        assert_eq!(taken.expect("no panic"), 1);
    }
}
