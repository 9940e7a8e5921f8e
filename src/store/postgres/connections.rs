//! The connections over which tasks about records run.
//!
//! Each connection takes tasks from the queue and runs them in one statement. The connections are spread over
//! the workers, so that a task need not leave its thread, and one connection is on the main thread. A
//! statement that may or may not have been committed ends its connection, and a new one is opened in its
//! place. While there is no connection and the last attempt to connect failed, every task fails at once.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::select;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep};

use crate::backoff::jittered;

use super::batch::Batch;
use super::failure::Failure;
use super::queue::{Holds, Queue, Taken};
use super::session::Session;
use super::setup::Setup;
use super::statements::Statements;
use super::task_kinds::{KindQueues, RunBatch};
use super::tasks::SqlTask;

/// Number of connections that share the work. A few let one batch gather while others are committed. More
/// make the batches smaller, not the work faster.
const CONNECTIONS: usize = 3;
/// Interval between checks of an idle connection.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The longest wait after a failed attempt to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections of a store. Dropping this closes them.
pub(super) struct Connections {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
    /// For each connection the number of the batch under way, or zero between two batches.
    under_way: Vec<watch::Receiver<u64>>,
}

struct Shared {
    setup: Arc<Setup>,
    statements: Arc<Statements>,
    queue: Queue<KindQueues>,
    // Only whole values are assigned under this lock.
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    /// Number of open connections.
    up: usize,
    /// The failure of the last attempt to connect, if it failed.
    failed: Option<Failure>,
}

impl Connections {
    /// Starts connections to the servers of `settings`.
    pub(super) fn new(setup: Arc<Setup>, statements: Arc<Statements>) -> Self {
        let (queue, workers) =
            (Queue::new("Postgres", CONNECTIONS, setup.terms.deadline()), setup.terms.workers.clone());
        let shared = Arc::new(Shared { setup, statements, queue, health: Mutex::default() });
        let (senders, under_way): (Vec<_>, Vec<_>) = (0..CONNECTIONS).map(|_| watch::channel(0)).unzip();
        let start = |(connection, sender)| {
            let work = stay_connected(Arc::clone(&shared), connection, sender);
            // The last connection stays on this thread, which has the least other work.
            if connection + 1 < CONNECTIONS { workers.spawn(work) } else { tokio::spawn(work).abort_handle() }
        };
        let tasks = senders.into_iter().enumerate().map(start).collect();
        Self { shared, tasks, under_way }
    }

    /// Runs a task about one record.
    ///
    /// # Errors
    /// The [`Failure`], which says whether anything can have been written.
    pub(super) async fn ask<T: SqlTask>(&self, task: T) -> Result<T::Answer, Failure>
    where
        KindQueues: Holds<T>,
    {
        self.shared.reachable()?;
        self.shared.queue.ask(task).await
    }

    /// Waits until every task that is running now is answered or given up.
    pub(super) async fn running_tasks_ended(&self) {
        // Every task taken from the queue before this point counts as under way. A task without a waiter is
        // not taken after it.
        self.shared.queue.synchronize();
        for connection in &self.under_way {
            let mut connection = connection.clone();
            let now = *connection.borrow_and_update();
            if now != 0 {
                // A connection that is gone has nothing under way.
                drop(connection.wait_for(|number| *number != now).await);
            }
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The time for which a connection has been idle. There is one timer for all batches: each batch only notes
/// the time, which costs less than a timer of its own.
struct IdleTimer {
    timer: Pin<Box<Sleep>>,
    check_at: Instant,
}

impl IdleTimer {
    fn new() -> Self {
        Self { timer: Box::pin(sleep(CHECK_INTERVAL)), check_at: Instant::now() + CHECK_INTERVAL }
    }

    /// Counts the time from now.
    fn start(&mut self) {
        self.check_at = Instant::now() + CHECK_INTERVAL;
    }

    /// Waits until the connection has been idle for [`CHECK_INTERVAL`], and counts from then.
    async fn elapsed(&mut self) {
        loop {
            self.timer.as_mut().await;
            let is_idle = Instant::now() >= self.check_at;
            if is_idle {
                self.start();
            }
            self.timer.as_mut().reset(self.check_at);
            if is_idle {
                return;
            }
        }
    }
}

/// Connects, works, and reconnects whenever the connection cannot be used any more.
async fn stay_connected(shared: Arc<Shared>, connection: usize, under_way: watch::Sender<u64>) {
    loop {
        match shared.connect().await {
            Ok(session) => {
                shared.came_up(&session);
                let server = session.server.clone();
                let why = shared.work(session, connection, &under_way).await;
                shared.went_down(&server, &why);
            }
            // The server is there. Only the new session was ended, together with the others.
            Err(failure) if failure.ended_without_effect() => {}
            Err(failure) => {
                shared.stays_down(&failure);
                sleep(jittered(PAUSE.min(shared.setup.terms.timeout / 4))).await;
            }
        }
    }
}

impl Shared {
    async fn connect(&self) -> Result<Session, Failure> {
        let mut session = Session::open(&self.setup).await?;
        let Statements { claim, read, write, remove, watch, .. } = &*self.statements;
        for statement in [claim, read, write, remove, watch] {
            session.prepare(statement).await?;
        }
        Ok(session)
    }

    /// Takes one batch after another until the session cannot be used any more. Returns the cause.
    async fn work(&self, mut session: Session, connection: usize, under_way: &watch::Sender<u64>) -> Failure {
        let (mut number, mut idle) = (0, IdleTimer::new());
        loop {
            number += 1;
            let worked = select! {
                Taken { batch, under_way: counted } = self.queue.next(connection, || { under_way.send_replace(number); }) => {
                    let worked = batch.run_by(self, &mut session).await;
                    under_way.send_replace(0);
                    drop(counted);
                    idle.start();
                    worked
                }
                () = idle.elapsed() => {
                    self.queue.pass_on();
                    session.examine().await
                }
            };
            match worked {
                Err(failure) if !failure.leaves_session() => {
                    self.queue.pass_on();
                    return failure;
                }
                _ => {}
            }
        }
    }

    fn reachable(&self) -> Result<(), Failure> {
        let health = self.health.lock();
        match &health.failed {
            Some(failure) if health.up == 0 => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    fn came_up(&self, session: &Session) {
        let mut health = self.health.lock();
        health.up += 1;
        health.failed = None;
        if health.up == 1 {
            tracing::info!(server = session.server, "connected to the store");
        }
    }

    fn went_down(&self, server: &str, why: &Failure) {
        self.health.lock().up -= 1;
        tracing::warn!(server, "closed a connection to the store: {why}");
    }

    fn stays_down(&self, failure: &Failure) {
        let mut health = self.health.lock();
        if health.up > 0 {
            return;
        }
        if health.failed.is_none() {
            tracing::warn!("the store cannot be reached: {failure}");
        }
        health.failed = Some(Failure::down(failure.to_string()));
        drop(health);
        self.queue.refuse_all(&Failure::down(failure.to_string()));
    }
}

impl RunBatch for Shared {
    /// Answers a batch. If one task makes the statement fail, the others still get their answers.
    async fn run<T>(&self, mut batch: Batch<T>, session: &mut Session) -> Result<(), Failure>
    where
        T: SqlTask,
        KindQueues: Holds<T>,
    {
        match T::run(&mut batch, session, &self.statements).await {
            Err(failure) if failure.is_about_a_row() && batch.len() > 1 => {
                let mut apart = batch.apart();
                while let Some(mut one) = apart.next() {
                    let Err(failure) = T::run(&mut one, session, &self.statements).await else { continue };
                    one.fail(&failure);
                    if !failure.leaves_session() {
                        let unasked = Failure::down(failure.to_string());
                        apart.for_each(|one| one.fail(&unasked));
                        return Err(failure);
                    }
                }
                Ok(())
            }
            Err(failure) if failure.ended_without_effect() => {
                self.queue.requeue(batch, &failure);
                Err(failure)
            }
            Err(failure) => {
                batch.fail(&failure);
                Err(failure)
            }
            Ok(()) => {
                batch.fail(&Failure::Unclear("Postgres did not report the result".into()));
                Ok(())
            }
        }
    }
}
