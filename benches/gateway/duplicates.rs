//! Sixty-four duplicates of one operation at once, while the upstream executes it slowly.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cases::request;
use crate::contenders::{Contender, Role};
use crate::upstream::Upstream;
use crate::wire::Connection;

pub const DUPLICATES: usize = 64;
/// Time that the upstream takes, in milliseconds.
pub const DELAY_MS: u64 = 50;

/// The figures of one server.
#[derive(Default)]
pub struct Duplicates {
    pub name: String,
    /// Time until all duplicates were answered, for each round; sorted.
    pub until_all: Vec<Duration>,
    /// Largest number of executions of one key.
    pub most_executions: u64,
    pub errors: usize,
}

/// Measures rounds with a fresh key each, the servers in turn.
pub async fn measure(upstream: &Upstream, contenders: &[Rc<Contender>], rounds: usize) -> Vec<Duplicates> {
    let mut all = Vec::new();
    for contender in contenders {
        if matches!(contender.role, Role::Floor(_) | Role::Oncegate(_)) {
            let mut connections = Vec::new();
            for _ in 0..DUPLICATES {
                connections.push(contender.connect().await);
            }
            let shown = Duplicates { name: contender.name.clone(), ..Duplicates::default() };
            all.push((Rc::clone(contender), connections, shown));
        }
    }
    for _ in 0..rounds {
        for (contender, connections, shown) in &mut all {
            let before = upstream.executions().await;
            *connections = at_once(contender, std::mem::take(connections), shown).await;
            let executions = upstream.executions().await - before;
            shown.most_executions = shown.most_executions.max(executions);
        }
    }
    let sorted = all.into_iter().map(|(_, _, mut shown)| {
        shown.until_all.sort();
        shown
    });
    sorted.collect()
}

async fn at_once(
    contender: &Contender,
    connections: Vec<Connection>,
    shown: &mut Duplicates,
) -> Vec<Connection> {
    let request = request(Some(contender.next_key()), DELAY_MS);
    let (mut asking, started) = (JoinSet::new(), Instant::now());
    for mut connection in connections {
        let request = request.clone();
        asking.spawn_local(async move {
            connection.write(request.as_bytes()).await.expect("sent");
            let answer = connection.answer().await.expect("an answer");
            (connection, answer.status() == 201)
        });
    }
    let answered = asking.join_all().await;
    shown.until_all.push(started.elapsed());
    shown.errors += answered.iter().filter(|(_, right)| !right).count();
    answered.into_iter().map(|(connection, _)| connection).collect()
}
