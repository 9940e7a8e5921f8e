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

/// The connections to a group of servers.
pub struct Clients(Vec<Rc<Target>>);

/// The connections to one server.
struct Target {
    contender: Rc<Contender>,
    case: Case,
    idle: RefCell<VecDeque<Connection>>,
    /// Permits, one for each connection. A request that finds all connections busy waits, and its
    /// latency includes the wait.
    turns: Semaphore,
    sample: RefCell<Sample>,
}

impl Clients {
    /// Opens connections to each server, and sends a request over each. What a server does for a new
    /// connection is not a part of what a request costs.
    pub async fn connect(group: &[(Rc<Contender>, Case)], connections: usize) -> Self {
        let mut targets = Vec::new();
        for (contender, case) in group {
            targets.push(Rc::new(Target::connect(Rc::clone(contender), *case, connections).await));
        }
        Self(targets)
    }

    /// Sends `rate` requests a second to each server for `span`, to one server after the other in turn, and
    /// over the connections to each in turn.
    pub async fn ask(self, rate: u32, span: Duration) -> Vec<Sample> {
        let every = Duration::from_secs(1) / rate / self.0.len() as u32;
        let many = (span.as_nanos() / every.as_nanos()) as u32;
        let (mut due, started) = (moments(every, many), Instant::now());
        let mut asking = JoinSet::new();
        let mut turns = self.0.iter().cycle();
        while let Some(moment) = due.recv().await {
            let target = Rc::clone(turns.next().expect("a group has members"));
            asking.spawn_local(async move { target.ask(moment).await });
            // Finished tasks are dropped at once, or thousands would be kept.
            while asking.try_join_next().is_some() {}
        }
        asking.join_all().await;
        let took = started.elapsed();
        let finished = self.0.into_iter().map(|target| {
            let mut sample = target.sample.take();
            sample.took = took;
            sample.latencies.sort();
            sample
        });
        finished.collect()
    }
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
    async fn connect(contender: Rc<Contender>, case: Case, connections: usize) -> Self {
        let (mut idle, mut sample) = (VecDeque::new(), Sample::default());
        for _ in 0..connections {
            let mut connection = contender.connect().await;
            if let Err(error) = ask(&mut connection, &contender, case).await {
                sample.errors.push(error);
            }
            idle.push_back(connection);
        }
        let turns = Semaphore::new(connections);
        Self { contender, case, idle: RefCell::new(idle), turns, sample: RefCell::new(sample) }
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
