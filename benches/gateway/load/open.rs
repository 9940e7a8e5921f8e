//! Requests at fixed moments, whether or not the earlier ones are answered.
//!
//! Connections are used in turn, as those of many clients are: the connection that was idle longest is
//! next. A stack would hand out the same connection again and again. At a low rate that connection would
//! carry nearly all requests, on one warm thread of the server.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::cases::Case;
use crate::contenders::Contender;
use crate::wire::Connection;

use super::{Sample, ask};

/// The load on one server.
struct Target {
    contender: Rc<Contender>,
    case: Case,
    idle: RefCell<VecDeque<Connection>>,
    /// Permits, one for each connection. A request that finds all connections busy waits, and its
    /// latency includes the wait.
    turns: Semaphore,
    sample: RefCell<Sample>,
}

/// Sends `rate` requests a second to each server for `span`, to one server after the other in turn. Each
/// server gets them over `connections` connections in turn.
pub async fn at_rate(
    group: &[(Rc<Contender>, Case)],
    rate: u32,
    span: Duration,
    connections: usize,
) -> Vec<Sample> {
    let mut targets = Vec::new();
    for (contender, case) in group {
        targets.push(Rc::new(Target::new(Rc::clone(contender), *case, connections).await));
    }
    let every = Duration::from_secs(1) / rate / group.len() as u32;
    let many = (span.as_nanos() / every.as_nanos()) as u32;
    let (mut due, started) = (moments(every, many), Instant::now());
    let mut asking = JoinSet::new();
    let mut turns = targets.iter().cycle();
    while let Some(moment) = due.recv().await {
        let target = Rc::clone(turns.next().expect("a group has members"));
        asking.spawn_local(async move { target.ask(moment).await });
        // Finished tasks are dropped at once, or thousands would be kept.
        while asking.try_join_next().is_some() {}
    }
    asking.join_all().await;
    let took = started.elapsed();
    let finished = targets.into_iter().map(|target| {
        let mut sample = target.sample.take();
        sample.took = took;
        sample.latencies.sort();
        sample
    });
    finished.collect()
}

/// Sends the moments as they come. Timers of the runtime are good to a millisecond. The timer of a
/// sleeping thread is good to some 60 µs, which the latencies of all servers contain alike.
fn moments(every: Duration, many: u32) -> mpsc::UnboundedReceiver<Instant> {
    let (send, receive) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let started = Instant::now();
        for number in 0..many {
            let due = started + every * number;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if send.send(due).is_err() {
                return;
            }
        }
    });
    receive
}

impl Target {
    async fn new(contender: Rc<Contender>, case: Case, connections: usize) -> Self {
        let mut idle = VecDeque::new();
        for _ in 0..connections {
            idle.push_back(contender.connect().await);
        }
        let turns = Semaphore::new(connections);
        Self { contender, case, idle: RefCell::new(idle), turns, sample: RefCell::default() }
    }

    async fn ask(&self, due: Instant) {
        let _turn = self.turns.acquire().await.expect("it is never closed");
        let idle = self.idle.borrow_mut().pop_front();
        let mut connection = idle.expect("as many turns as connections");
        let result = ask(&mut connection, &self.contender, self.case).await;
        self.sample.borrow_mut().note(result, due.elapsed());
        self.idle.borrow_mut().push_back(connection);
    }
}
