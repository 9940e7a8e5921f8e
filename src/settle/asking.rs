//! Questions under way: many attempts that wait for one operation ask its witness once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::protocol::{RecordId, Revision};
use crate::store::StoreError;

use super::settlement::Settlement;

/// Time for which an answer holds for later attempts, so that a client that repeats its request all the time
/// does not make the gateway ask all the time.
const HOLDS: Duration = Duration::from_secs(1);
/// Number of remembered questions above which old ones are dropped.
const MANY: usize = 256;

/// The questions under way in this process, and the answers of the last second.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking(Arc<Mutex<HashMap<RecordId, Question>>>);

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
    /// Returns the answer to the question about this revision of the record. Asks with `ask` if no other attempt
    /// does, or did a moment ago. If the attempt that asks is given up, the next one asks.
    pub(super) async fn once(
        &self,
        id: RecordId,
        revision: Revision,
        ask: impl Future<Output = Result<Settlement, StoreError>>,
    ) -> Result<Settlement, StoreError> {
        let answer = self.join(id, revision);
        let answered = answer.get_or_try_init(async || Ok((ask.await?, Instant::now()))).await;
        answered.map(|(settlement, _)| settlement.clone())
    }

    fn join(&self, id: RecordId, revision: Revision) -> Arc<OnceCell<(Settlement, Instant)>> {
        let mut questions = self.0.lock();
        if questions.len() > MANY {
            questions.retain(|_, question| !question.is_over() && !question.is_abandoned());
        }
        let new = || Question { revision, answer: Arc::default() };
        let question = questions.entry(id).or_insert_with(new);
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
    use crate::store::StoreError;

    fn id() -> RecordId {
        RecordId::of("asking", &Scope::anonymous(), &Key::parse(b"key").expect("a key"))
    }

    async fn ask(asking: &Asking, revision: u64, asked: &AtomicUsize) -> Settlement {
        let question = async {
            asked.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(100)).await;
            Ok(Settlement::Unknown)
        };
        asking.once(id(), Revision(revision), question).await.expect("an answer")
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

    #[tokio::test]
    async fn an_error_of_the_store_is_not_kept() {
        let asking = Asking::default();
        let failed = asking.once(id(), Revision(1), async { Err(StoreError::Unavailable("away".into())) });
        assert!(failed.await.is_err());
        let answered = asking.once(id(), Revision(1), async { Ok(Settlement::Changed) }).await;
        assert_eq!(answered.expect("an answer"), Settlement::Changed);
    }
}
