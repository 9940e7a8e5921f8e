//! The commands that the server runs for each step: most of the processor time that a payment costs it.

use std::sync::Arc;

use super::store;
use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::Event;
use crate::servers::redis::Server;

const COMMANDS: [&str; 7] = ["get", "time", "zadd", "zrem", "set", "setrange", "del"];

/// Returns the commands that the server ran since its counts were last reset, and resets them.
fn ran(server: &Server) -> Vec<(&'static str, u64)> {
    let ran = COMMANDS.map(|command| (command, server.calls(command)));
    server.say::<()>("CONFIG RESETSTAT");
    ran.into_iter().filter(|(_, calls)| *calls > 0).collect()
}

/// The gateway examines the server after five seconds, which is longer than this check takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_runs_no_more_commands_than_it_needs() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    ran(&server);
    let running = bench.won(id(1), owner(1), STILL).await;
    assert_eq!(ran(&server), [("get", 2), ("time", 1), ("zadd", 1), ("set", 1)], "a claim, with the mark");
    let response = response_of(owner(1));
    decisions::apply(&bench.ledger, id(1), Some(&running), &complete(owner(1), 1), Some(&response))
        .await
        .expect("a completion");
    assert_eq!(ran(&server), [("get", 1), ("time", 1), ("zadd", 1), ("set", 2)], "a completion");
    let replay = decisions::claim(&bench.ledger, id(1), claim(owner(2), STILL)).await.expect("a replay");
    assert_eq!(replay.response, Some(response));
    assert_eq!(ran(&server), [("get", 2), ("time", 1)], "a replay");
    bench.apply(id(1), Event::Delete).await;
    assert_eq!(
        ran(&server),
        [("get", 3), ("time", 2), ("zadd", 1), ("zrem", 1), ("set", 1), ("del", 1)],
        "a read with the response, and a tombstone"
    );
}
