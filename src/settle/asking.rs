//! Questions under way: many attempts that wait for one operation ask its witness once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::settlement::Settlement;
use crate::protocol::{RecordId, Revision};

/// Time for which an answer holds for later attempts, so that a client that repeats its request all the time
/// does not make the gateway ask all the time.
const HOLDS: Duration = Duration::from_secs(1);
/// Number of remembered questions above which old ones are dropped.
const MANY: usize = 256;

/// The questions under way in this process, and the answers of the last second.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking(Arc<Mutex<Questions>>);

#[derive(Debug, Default)]
struct Questions {
    by_id: HashMap<RecordId, Question>,
    /// Time at which old questions were dropped last.
    trimmed: Option<Instant>,
}

impl Questions {
    /// Drops old questions, at most once in the time for which an answer holds.
    fn trim(&mut self) {
        let is_due = self.trimmed.is_none_or(|at| at.elapsed() >= HOLDS);
        if self.by_id.len() > MANY && is_due {
            self.by_id.retain(|_, question| !question.is_over() && !question.is_abandoned());
            self.trimmed = Some(Instant::now());
        }
    }
}

/// A question about one revision of a record.
#[derive(Clone, Debug)]
struct Question {
    revision: Revision,
    answer: Arc<OnceCell<(Settlement, Instant)>>,
}

impl Question {
    fn is_over(&self) -> bool {
        self.answer.get().is_some_and(|(_, at)| at.elapsed() >= HOLDS)
    }

    /// Tells whether no attempt waits any more for an answer that never came.
    fn is_abandoned(&self) -> bool {
        self.answer.get().is_none() && Arc::strong_count(&self.answer) == 1
    }
}

impl Asking {
    /// Returns the answer to the question about this revision of the record. Asks with `ask` if no other
    /// attempt does, or did a moment ago. If the attempt that asks is given up, the next one asks.
    pub(super) async fn once(
        &self,
        id: RecordId,
        revision: Revision,
        ask: impl Future<Output = Settlement>,
    ) -> Settlement {
        let answer = self.join(id, revision);
        let (settlement, _) = answer.get_or_init(async || (ask.await, Instant::now())).await;
        settlement.clone()
    }

    fn join(&self, id: RecordId, revision: Revision) -> Arc<OnceCell<(Settlement, Instant)>> {
        let mut questions = self.0.lock();
        questions.trim();
        let new = || Question { revision, answer: Arc::default() };
        let question = questions.by_id.entry(id).or_insert_with(new);
        if question.revision != revision || question.is_over() {
            *question = new();
        }
        Arc::clone(&question.answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::join;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::protocol::{Key, Scope};

    fn id() -> RecordId {
        RecordId::of("asking", &Scope::anonymous(), &Key::parse(b"key").expect("a key"))
    }

    async fn ask(asking: &Asking, revision: u64, asked: &AtomicUsize) -> Settlement {
        let question = async {
            asked.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(100)).await;
            Settlement::Unknown
        };
        asking.once(id(), Revision(revision), question).await
    }

    #[tokio::test(start_paused = true)]
    async fn many_attempts_ask_once() {
        let (asking, asked) = (Asking::default(), AtomicUsize::new(0));
        join!(ask(&asking, 1, &asked), ask(&asking, 1, &asked), ask(&asking, 1, &asked));
        ask(&asking, 1, &asked).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        ask(&asking, 2, &asked).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2, "another revision");
        advance(HOLDS).await;
        ask(&asking, 2, &asked).await;
        assert_eq!(asked.load(Ordering::SeqCst), 3, "a second later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_was_given_up_is_asked_by_the_next_attempt() {
        let (asking, asked) = (Asking::default(), AtomicUsize::new(0));
        let first = tokio::time::timeout(Duration::from_millis(50), ask(&asking, 1, &asked));
        assert!(first.await.is_err());
        ask(&asking, 1, &asked).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
