//! Answers from one thread to tasks on another.
//!
//! To wake a task on a worker from outside costs a system call, however many other tasks were just woken
//! there. A thread that answers many tasks at once therefore hands each worker all its answers together, and
//! the worker wakes its own tasks.

use std::future::Future;
use std::mem;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::current::mailbox;
use super::mailbox::{Mailbox, Message};

/// The receiver of one answer.
#[derive(Debug)]
pub struct Callback<T> {
    answer: oneshot::Sender<T>,
    /// The mailbox of the worker on which the task waits; `None` on any other thread.
    mailbox: Option<Arc<Mailbox>>,
}

/// Collected answers. They are sent when this is dropped.
#[derive(Default)]
pub struct Callbacks(Vec<(Arc<Mailbox>, Vec<Message>)>);

/// Creates a callback to the current worker, and a future that resolves with the answer, or with `None` once
/// no answer can come any more.
pub fn callback<T: Send + 'static>() -> (Callback<T>, impl Future<Output = Option<T>> + Send) {
    let (answer, answered) = oneshot::channel();
    (Callback { answer, mailbox: mailbox() }, async { answered.await.ok() })
}

impl<T: Send + 'static> Callback<T> {
    /// Tells whether the task has stopped waiting.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }

    /// Sends the answer at once.
    pub fn answer(self, answer: T) {
        Callbacks::default().answer(self, answer);
    }
}

impl Callbacks {
    /// Adds an answer, to be sent together with the others. An answer to a task outside the workers is sent
    /// at once. The task may have stopped waiting.
    pub fn answer<T: Send + 'static>(&mut self, callback: Callback<T>, answer: T) {
        let Callback { answer: waiting, mailbox } = callback;
        let Some(mailbox) = mailbox else { return drop(waiting.send(answer)) };
        let message: Message = Box::new(move || drop(waiting.send(answer)));
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
            Some((_, messages)) => messages.push(message),
            None => self.0.push((mailbox, vec![message])),
        }
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        let here = mailbox();
        for (mailbox, messages) in mem::take(&mut self.0) {
            if here.as_ref().is_some_and(|here| Arc::ptr_eq(here, &mailbox)) {
                messages.into_iter().for_each(|message| message());
            } else {
                mailbox.put(messages);
            }
        }
    }
}
