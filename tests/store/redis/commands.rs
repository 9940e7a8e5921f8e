//! The commands that the server runs for each step: most of the processor time that a payment costs it.

use std::sync::Arc;
use std::time::Duration;

use oncegate::gateway::{SWEEP_INTERVAL, sweep};
use oncegate::protocol::{Policy, State};
use oncegate::stop::Stop;
use oncegate::store::Ledger;
use oncegate::telemetry::Metrics;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{TIMEOUT, store};
use crate::bench::{Bench, HOUR, STILL, claim, complete, id, owner, response_of};
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

/// Starts a sweeper over the store of `bench`, for routes of which `span` is the shortest lease. It sweeps until
/// the returned guard is dropped.
fn sweeping(bench: &Bench, span: Duration) -> JoinSet<()> {
    let ledger = Ledger::new(Arc::clone(&bench.store), TIMEOUT).pausing_sweeps(move || span);
    let mut sweeping = JoinSet::new();
    sweeping.spawn(sweep(ledger, Metrics::new(), Stop::default()));
    sweeping
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_is_asked_now_and_then() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    bench.won(id(1), owner(1), STILL).await;
    let _sweeping = sweeping(&bench, HOUR);
    // The first look, and the first comparison of the index of unknown records.
    sleep(Duration::from_secs(1)).await;
    server.say::<()>("CONFIG RESETSTAT");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(server.calls("zrangebyscore"), 0, "within five seconds");
    sleep(Duration::from_secs(3)).await;
    // A look asks each of the 256 buckets once. A look at each round would be 12 looks or more.
    let asked = server.calls("zrangebyscore");
    assert!((256..=2 * 256).contains(&asked), "asked {asked} times in six seconds");
}

/// An execution of another gateway falls silent in a pause between two looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_of_another_gateway_lapses_in_time() {
    const LEASE: Duration = Duration::from_secs(3);
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    let _sweeping = sweeping(&bench, LEASE);
    let other = Bench::of(Arc::new(store(&server).await));
    let policy = Policy { lease: LEASE, ..STILL };
    let mut running = JoinSet::new();
    for number in 1..=8 {
        sleep(Duration::from_millis(180)).await;
        let other = other.clone();
        running.spawn(async move {
            let record = other.won(id(number), owner(number), policy).await;
            // A moment of grace is for a busy machine.
            other.reach(record.deadline().plus(SWEEP_INTERVAL + Duration::from_millis(250))).await;
            let found = other.record(id(number)).await;
            assert!(matches!(found.state, State::Unknown { .. }), "{number}: {:?}", found.state);
        });
    }
    running.join_all().await;
}
