//! Clients that send the next request as soon as they are answered.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cases::Case;
use crate::contenders::Contender;

use super::{Sample, ask};

/// Number of clients, with a connection each.
pub const SATURATING: usize = 64;

/// Lets 64 clients send requests for `slice`, or until no key is left.
pub async fn saturate(contender: &Rc<Contender>, case: Case, slice: Duration) -> Sample {
    let mut connections = Vec::new();
    for _ in 0..SATURATING {
        connections.push(contender.connect().await);
    }
    let left = Rc::new(Cell::new(contender.at_most(case)));
    let (sample, started) = (Rc::<RefCell<Sample>>::default(), Instant::now());
    let mut callers = JoinSet::new();
    for mut connection in connections {
        let (contender, left, sample) = (Rc::clone(contender), Rc::clone(&left), Rc::clone(&sample));
        callers.spawn_local(async move {
            while started.elapsed() < slice && left.get() > 0 {
                left.set(left.get() - 1);
                let asked = Instant::now();
                let result = ask(&mut connection, &contender, case).await;
                sample.borrow_mut().note(result, asked.elapsed());
            }
        });
    }
    callers.join_all().await;
    let mut sample = sample.take();
    sample.took = started.elapsed();
    sample.latencies.sort();
    sample
}
