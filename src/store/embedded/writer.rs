//! The single writer: a thread that takes all queued commands, decides them as one batch, syncs the batch,
//! and answers after the sync.
//!
//! A lone command is written at once. While a sync runs, commands gather for the next batch. After a write or
//! sync that failed, the content of the disk is not known, so the writer stops for good. That batch is
//! unclear, and the commands queued behind it were not taken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::protocol::{Record, RecordId, Revision};
use crate::store::{Cause, Change, Claimed, DocumentName, Position, Replaced, StoreError, Swap};
use crate::workers::{Callback, Callbacks, callback};

use super::errors::describe;
use super::pending_batch::{self, PendingBatch};
use super::running::Running;
use super::shared::Shared;

/// Maximum number of queued commands. A further command fails: the store is unavailable.
const QUEUE: usize = 4096;

/// Maximum number of commands in one batch.
const BATCH_COMMANDS: usize = 512;

/// Number of bytes of responses that end a batch early.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The destination of an answer. The request behind it may be gone; the decision stands anyway.
pub(super) type Reply<T> = Callback<Result<T, StoreError>>;

/// A command for the writer.
pub(super) enum Command {
    Claim {
        id: RecordId,
        first: Record,
        reply: Reply<Claimed>,
    },
    CompareAndSet {
        id: RecordId,
        expected: Revision,
        change: Change,
        reply: Reply<Swap>,
    },
    ReplaceDocument {
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
        reply: Reply<Replaced>,
    },
    /// Compares these entries of the index of unknown records by time with their records.
    Relist {
        positions: Vec<Position>,
        reply: Reply<()>,
    },
    Ready {
        reply: Reply<()>,
    },
}

/// The writer's queue and its thread. The thread ends when this value is dropped and the queue is empty.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    broken: watch::Receiver<Option<Cause>>,
}

impl Writer {
    /// Starts the writer's thread.
    pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let (queue, commands) = mpsc::channel(QUEUE);
        let (breaks, broken) = watch::channel(None);
        let run = move || run(&shared, commands, &breaks);
        let thread = thread::Builder::new().name("store-writer".into()).spawn(run)?;
        Ok(Self { queue: Some(queue), thread: Some(thread), broken })
    }

    /// Queues a command and waits for its answer.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, StoreError> {
        if let Some(cause) = self.broken.borrow().as_ref() {
            return Err(StoreError::Unavailable(cause.clone()));
        }
        let (reply, answer) = callback();
        let queue = self.queue.as_ref().ok_or_else(|| StoreError::Unavailable("it is closed".into()))?;
        let refused =
            |error: mpsc::error::TrySendError<_>| StoreError::unavailable(format!("its queue: {error}"));
        queue.try_send(command(reply)).map_err(refused)?;
        answer.await.unwrap_or_else(|| Err(StoreError::Unclear("its writer ended".into())))
    }

    /// Waits until nothing can be written any more, and returns the cause.
    pub(super) async fn broken(&self) -> String {
        let mut broken = self.broken.clone();
        loop {
            if let Some(cause) = broken.borrow_and_update().clone() {
                return cause.to_string();
            }
            if broken.changed().await.is_err() {
                // The thread ends without a cause only when this writer is dropped.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported as the end of the store.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, mut commands: mpsc::Receiver<Command>, breaks: &watch::Sender<Option<Cause>>) {
    let worked = catch_unwind(AssertUnwindSafe(|| work(shared, &mut commands)));
    let Err(cause) = worked.unwrap_or_else(|_| Err("its writer panicked".into())) else { return };
    breaks.send_replace(Some(cause.clone()));
    commands.close();
    while let Some(command) = commands.blocking_recv() {
        command.refuse(&cause);
    }
}

/// Writes batches until the queue is closed, or until one fails.
fn work(shared: &Shared, commands: &mut mpsc::Receiver<Command>) -> Result<(), Cause> {
    let mut running = Running::default();
    while let Some(first) = commands.blocking_recv() {
        write(shared, &mut running, gather(first, commands))?;
    }
    // No command waits for this write. If it fails, time may go back to the last batch's stamp.
    pending_batch::commit_clock(&shared.tables, shared.tables.clock.now())
        .map_err(|error| Cause::of(describe(&error), error))
}

fn gather(first: Command, commands: &mut mpsc::Receiver<Command>) -> Vec<Command> {
    let mut bytes = first.weight();
    let mut batch = vec![first];
    while batch.len() < BATCH_COMMANDS && bytes < BATCH_BYTES {
        let Ok(next) = commands.try_recv() else { break };
        bytes += next.weight();
        batch.push(next);
    }
    batch
}

fn write(shared: &Shared, running: &mut Running, commands: Vec<Command>) -> Result<(), Cause> {
    let now = shared.low.begin(&shared.tables.clock);
    let mut pending = PendingBatch::new(&shared.tables, running, &shared.room, now);
    let decided: Vec<_> = commands.into_iter().map(|command| command.decide(&mut pending)).collect();
    let failed = |error| Cause::of(format!("writing failed: {}", describe(&error)), error);
    let committed = pending.commit().map_err(failed);
    shared.room.measure(&shared.tables);
    shared.low.end();
    let outcome = committed.clone().map_err(StoreError::Unclear);
    let mut callbacks = Callbacks::default();
    for decided in decided {
        decided.tell(outcome.clone(), &mut callbacks);
    }
    committed
}

/// A decided command, with the answer that is sent once the decision is synced.
enum Decided {
    Claim(Reply<Claimed>, Result<Claimed, StoreError>),
    CompareAndSet(Reply<Swap>, Result<Swap, StoreError>),
    ReplaceDocument(Reply<Replaced>, Result<Replaced, StoreError>),
    Relist(Reply<()>, Result<(), StoreError>),
    Ready(Reply<()>),
}

impl Decided {
    fn tell(self, synced: Result<(), StoreError>, callbacks: &mut Callbacks) {
        match self {
            Self::Claim(reply, answer) => callbacks.answer(reply, synced.and(answer)),
            Self::CompareAndSet(reply, answer) => callbacks.answer(reply, synced.and(answer)),
            Self::ReplaceDocument(reply, answer) => callbacks.answer(reply, synced.and(answer)),
            Self::Relist(reply, answer) => callbacks.answer(reply, synced.and(answer)),
            Self::Ready(reply) => callbacks.answer(reply, synced),
        }
    }
}

impl Command {
    fn decide(self, pending: &mut PendingBatch<'_>) -> Decided {
        match self {
            Self::Claim { id, first, reply } => Decided::Claim(reply, pending.claim(id, first)),
            Self::CompareAndSet { id, expected, change, reply } => {
                Decided::CompareAndSet(reply, pending.compare_and_set(id, expected, change))
            }
            Self::ReplaceDocument { name, expected, document, reply } => {
                let replaced = pending.replace_document(name, expected.as_ref(), &document);
                Decided::ReplaceDocument(reply, replaced)
            }
            Self::Relist { positions, reply } => Decided::Relist(reply, pending.relist_all(&positions)),
            Self::Ready { reply } => Decided::Ready(reply),
        }
    }

    fn refuse(self, cause: &Cause) {
        let refused = StoreError::Unavailable(cause.clone());
        match self {
            Self::Claim { reply, .. } => reply.answer(Err(refused)),
            Self::CompareAndSet { reply, .. } => reply.answer(Err(refused)),
            Self::ReplaceDocument { reply, .. } => reply.answer(Err(refused)),
            Self::Relist { reply, .. } => reply.answer(Err(refused)),
            Self::Ready { reply } => reply.answer(Err(refused)),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::CompareAndSet { change: Change::Write(written), .. } => {
                written.response.as_ref().map_or(0, |response| response.body.len())
            }
            _ => 0,
        }
    }
}
