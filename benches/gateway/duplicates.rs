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
            let result = Duplicates { name: contender.name.clone(), ..Duplicates::default() };
            all.push((Rc::clone(contender), connections, result));
        }
    }
    for _ in 0..rounds {
        for (contender, connections, result) in &mut all {
            let before = upstream.executions().await;
            *connections = at_once(contender, std::mem::take(connections), result).await;
            let executions = upstream.executions().await - before;
            result.most_executions = result.most_executions.max(executions);
        }
    }
    let sorted = all.into_iter().map(|(_, _, mut result)| {
        result.until_all.sort();
        result
    });
    sorted.collect()
}

async fn at_once(
    contender: &Contender,
    connections: Vec<Connection>,
    result: &mut Duplicates,
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
    result.until_all.push(started.elapsed());
    result.errors += answered.iter().filter(|(_, right)| !right).count();
    answered.into_iter().map(|(connection, _)| connection).collect()
}
