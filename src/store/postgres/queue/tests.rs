use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::protocol::RecordId;
use crate::store::postgres::queue_connections::ConnectionState;
use crate::workers::{self, Workers};

const CONNECTIONS: usize = 3;
const MOMENT: Duration = Duration::from_millis(1);

/// A task without anything to do.
struct Ask(RecordId);

impl Task for Ask {
    type Answer = ();

    fn id(&self) -> RecordId {
        self.0
    }
}

/// The only kind of task here.
#[derive(Default)]
struct Asks(KindQueue<Ask>);

impl Kinds for Asks {
    type Kind = ();
    type Batch = Batch<Ask>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn oldest(&mut self, max_wait: Duration, busy: &Failure) -> Option<(Instant, ())> {
        Some((self.0.tidy(max_wait, busy)?, ()))
    }

    fn take(&mut self, (): ()) -> Batch<Ask> {
        self.0.take()
    }

    fn refuse(self, failure: &Failure) {
        self.0.refuse(failure);
    }
}

impl Holds<Ask> for Asks {
    fn queue(&mut self) -> &mut KindQueue<Ask> {
        &mut self.0
    }
}

fn queue(connections: usize, max_wait: Duration) -> Arc<Queue<Asks>> {
    Arc::new(Queue::new("a server", connections, max_wait))
}

fn asked(queue: &Arc<Queue<Asks>>, ids: std::ops::Range<u8>) {
    for id in ids {
        let queue = Arc::clone(queue);
        let id = RecordId::from_bytes(&[id; 20]).expect("twenty bytes");
        tokio::spawn(async move { drop(queue.ask(Ask(id)).await) });
    }
}

fn length(taken: &Taken<'_, Asks>) -> usize {
    taken.batch.len()
}

#[tokio::test(start_paused = true)]
async fn few_questions_do_not_wait_for_each_other() {
    let queue = queue(CONNECTIONS, Duration::from_secs(1));
    let mut under_way = Vec::new();
    for number in 0..FEW as u8 {
        asked(&queue, number..number + 1);
        let taken = timeout(MOMENT, queue.next(0, || {})).await.expect("a connection takes it at once");
        assert_eq!(length(&taken), 1);
        under_way.push(taken);
    }
}

/// Takes a first statement of `few` tasks, and queues `more` behind it.
async fn behind(queue: &Arc<Queue<Asks>>, few: u8, more: u8) -> Taken<'_, Asks> {
    asked(queue, 0..few);
    let first = queue.next(0, || {}).await;
    assert_eq!(length(&first), usize::from(few));
    asked(queue, few..few + more);
    first
}

#[tokio::test(start_paused = true)]
async fn many_gather_while_a_statement_is_under_way() {
    let queue = queue(CONNECTIONS, Duration::from_secs(1));
    let first = behind(&queue, 1, 9).await;
    assert!(timeout(MOMENT, queue.next(1, || {})).await.is_err(), "nine are not enough for a statement");
    drop(first);
    assert_eq!(length(&queue.next(1, || {}).await), 9);
}

#[tokio::test(start_paused = true)]
async fn enough_for_a_statement_do_not_wait() {
    let queue = queue(CONNECTIONS, Duration::from_secs(1));
    let _first = behind(&queue, 1, ENOUGH as u8).await;
    let second = timeout(MOMENT, queue.next(1, || {})).await.expect("they are enough");
    assert_eq!(length(&second), ENOUGH);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_statement_that_does_not_end() {
    let queue = queue(CONNECTIONS, Duration::from_secs(1));
    let _stuck = behind(&queue, 1, 9).await;
    let waited = Instant::now();
    assert_eq!(length(&queue.next(1, || {}).await), 9);
    assert_eq!(waited.elapsed(), LONG);
}

#[tokio::test]
async fn a_question_stays_on_the_thread_where_it_is_asked() {
    let workers = Workers::start().expect("threads");
    let count = workers.handles().len();
    let queue = queue(count, Duration::from_secs(60));
    let (tell, mut told) = mpsc::unbounded_channel();
    for (connection, worker) in workers.handles().iter().enumerate() {
        let (queue, tell) = (Arc::clone(&queue), tell.clone());
        worker.spawn(async move {
            let taken = queue.next(connection, || {}).await;
            tell.send((length(&taken), workers::current())).expect("somebody listens");
        });
    }
    while queue.state.lock().connections.states().contains(&ConnectionState::Busy) {
        tokio::task::yield_now().await;
    }
    for (number, worker) in (1..).zip(workers.handles()) {
        let queue = Arc::clone(&queue);
        let id = RecordId::from_bytes(&[0; 20]).expect("twenty bytes");
        worker.spawn(async move { drop(queue.ask(Ask(id)).await) });
        assert_eq!(told.recv().await, Some((1, number)));
    }
}

/// The connection looks as soon as the running task pauses, and takes both.
#[tokio::test(start_paused = true)]
async fn one_connection_is_called_for_what_one_thread_asks_at_once() {
    let queue = queue(CONNECTIONS, Duration::from_secs(1));
    for connection in 0..CONNECTIONS {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { drop(queue.next(connection, || {}).await) });
    }
    tokio::task::yield_now().await;
    let mut questions: Vec<_> = [1, 2]
        .map(|id| Box::pin(queue.ask(Ask(RecordId::from_bytes(&[id; 20]).expect("twenty bytes")))))
        .into();
    for question in &mut questions {
        assert!(poll_fn(|context| Poll::Ready(question.as_mut().poll(context))).await.is_pending());
    }
    let called = queue
        .state
        .lock()
        .connections
        .states()
        .iter()
        .filter(|state| **state == ConnectionState::Woken)
        .count();
    assert_eq!(called, 1);
}

/// A connection that was woken for a task, and left it for later, does something else.
#[tokio::test(start_paused = true)]
async fn what_was_left_for_later_is_passed_on() {
    let queue = queue(CONNECTIONS, Duration::from_secs(1));
    let _stuck = behind(&queue, FEW as u8, 0).await;
    let free = |connection| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { length(&queue.next(connection, || {}).await) })
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
