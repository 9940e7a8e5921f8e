//! Answers that go from one thread to tasks on another.
//!
//! To wake a task on a worker from outside costs a system call, however many others were just woken
//! there. Whoever answers many at once therefore hands each worker all its answers together, and the
//! tasks are woken from within.

use std::future::Future;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

/// Where one answer goes.
#[derive(Debug)]
pub struct Callback<T> {
    answer: oneshot::Sender<T>,
    /// That of the worker on which somebody waits; none on any other thread.
    inbox: Option<Arc<Inbox>>,
}

/// What waits to be handed out on one worker.
#[derive(Default)]
pub(super) struct Inbox {
    letters: Mutex<Vec<Letter>>,
    more: Notify,
}

type Letter = Box<dyn FnOnce() + Send>;

/// Answers on their way. They arrive when this is dropped.
#[derive(Default)]
pub struct Callbacks(Vec<(Arc<Inbox>, Vec<Letter>)>);

/// A callback for the worker that this runs on, and what resolves with the answer; `None` once nobody
/// can give one any more.
pub fn callback<T: Send + 'static>() -> (Callback<T>, impl Future<Output = Option<T>> + Send) {
    let (answer, answered) = oneshot::channel();
    (Callback { answer, inbox: super::inbox() }, async { answered.await.ok() })
}

impl<T: Send + 'static> Callback<T> {
    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }

    /// Answers now.
    pub fn answer(self, answer: T) {
        Callbacks::default().answer(self, answer);
    }
}

impl Callbacks {
    /// Answers when all of these do. Whoever asked may have gone.
    pub fn answer<T: Send + 'static>(&mut self, callback: Callback<T>, answer: T) {
        let Callback { answer: waiting, inbox } = callback;
        let Some(inbox) = inbox else { return drop(waiting.send(answer)) };
        let letter: Letter = Box::new(move || drop(waiting.send(answer)));
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &inbox)) {
            Some((_, letters)) => letters.push(letter),
            None => self.0.push((inbox, vec![letter])),
        }
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        let here = super::inbox();
        for (inbox, letters) in mem::take(&mut self.0) {
            if here.as_ref().is_some_and(|here| Arc::ptr_eq(here, &inbox)) {
                letters.into_iter().for_each(|letter| letter());
            } else {
                inbox.lock().extend(letters);
                inbox.more.notify_one();
            }
        }
    }
}

impl Inbox {
    /// Hands out what comes, for ever; on the worker whose inbox it is.
    pub(super) async fn hand_out(&self) {
        loop {
            self.more.notified().await;
            let letters = mem::take(&mut *self.lock());
            letters.into_iter().for_each(|letter| letter());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Letter>> {
        // Under this lock letters are only added, or taken all at once.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Inbox")
    }
}
