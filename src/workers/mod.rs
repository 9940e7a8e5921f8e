//! The threads that serve connections, each with a scheduler of its own.
//!
//! A connection stays on one thread, and so does all work for it: its upstream connections, its connection to
//! Redis, and one to Postgres, if one is free there. No thread wakes another, steals its tasks or waits for
//! its locks, because that costs more than most requests do. Shared parts (the record of an operation, its
//! waiters, the writer of the embedded store, the queue for Postgres) are reached in the same way as from any
//! thread.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::current::{Worker, become_worker};
use self::mailbox::Mailbox;

mod callback;
mod current;
mod mailbox;

pub use self::callback::{Callback, Callbacks, callback};
pub use self::current::current;

/// A set of worker threads. They end, with all tasks that still run on them, when the last clone is dropped.
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Workers(Option<Arc<Running>>);

struct Running {
    handles: Vec<Handle>,
    next: AtomicUsize,
    _end: DropGuard,
}

impl Workers {
    /// Starts one worker for each processor that the process may use.
    ///
    /// # Errors
    /// The system provides no thread, or no event queue for its scheduler.
    pub fn start() -> io::Result<Self> {
        let end = CancellationToken::new();
        let handles =
            (1..=processors()).map(|number| start(number, end.clone())).collect::<io::Result<_>>()?;
        Ok(Self(Some(Arc::new(Running { handles, next: AtomicUsize::new(0), _end: end.drop_guard() }))))
    }

    /// Runs a task on the next worker in turn, or on the current runtime if there are no workers.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let task = match &self.0 {
            Some(running) => {
                let next = running.next.fetch_add(1, Ordering::Relaxed) % running.handles.len();
                running.handles[next].spawn(task)
            }
            None => tokio::spawn(task),
        };
        task.abort_handle()
    }

    /// Returns the runtime handles of the workers, in the order of their numbers.
    #[must_use]
    pub fn handles(&self) -> &[Handle] {
        self.0.as_ref().map_or(&[], |running| &running.handles)
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn start(number: usize, end: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let mailbox = Arc::<Mailbox>::default();
        become_worker(Worker { number, mailbox: Arc::clone(&mailbox) });
        runtime.block_on(end.run_until_cancelled(mailbox.deliver()));
    })?;
    Ok(handle)
}

/// A set of values: one for each worker, and one that all other threads share.
#[derive(Debug)]
pub struct PerWorker<T>(Vec<T>);

impl<T> PerWorker<T> {
    /// Creates as many values as are needed with `make`.
    pub fn new(make: impl Fn() -> T) -> Self {
        Self((0..=processors()).map(|_| make()).collect())
    }

    /// Returns the value of the current worker.
    pub fn here(&self) -> &T {
        &self.0[current() % self.0.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_take_turns_and_know_where_they_are() {
        let workers = Workers::start().expect("threads");
        let count = workers.handles().len();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..2 * count {
            let tell = tell.clone();
            workers.spawn(async move { tell.send(current()).expect("the test listens") });
        }
        let mut seen = Vec::new();
        for _ in 0..2 * count {
            seen.push(told.recv().await.expect("each runs"));
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=count).flat_map(|number| [number; 2]).collect::<Vec<_>>());
        assert_eq!(current(), 0);
    }

    #[tokio::test]
    async fn many_answers_arrive_where_they_are_waited_for() {
        let workers = Workers::start().expect("threads");
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel();
        for question in 0..10 {
            let (ask, tell) = (ask.clone(), tell.clone());
            workers.spawn(async move {
                let (reply, answer) = callback();
                ask.send((question, reply)).expect("the test listens");
                tell.send((question, answer.await)).expect("the test listens");
            });
        }
        let mut callbacks = Callbacks::default();
        for _ in 0..10 {
            let (question, reply) = asked.recv().await.expect("each asks");
            if question == 7 {
                drop::<Callback<i32>>(reply);
            } else {
                callbacks.answer(reply, question * 2);
            }
        }
        assert_eq!(told.recv().await, Some((7, None)), "all others are told when the callbacks are dropped");
        drop(callbacks);
        let mut answers = Vec::new();
        for _ in 0..9 {
            answers.push(told.recv().await.expect("each is told"));
        }
        answers.sort_unstable();
        let expected =
            (0..10).filter(|question| *question != 7).map(|question| (question, Some(question * 2)));
        assert_eq!(answers, expected.collect::<Vec<_>>());
    }
}
