//! Rounds of concurrent duplicates, spread over many gateways: undisturbed, with one gateway killed in each
//! round, and with one gateway stopped for longer than its leases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, post, request_bytes};
use crate::store::{Store, on_every_store};

on_every_store!(
    two_gateways_run_each_operation_once,
    four_gateways_run_each_operation_once,
    one_of_two_killed_in_each_round,
    one_of_four_killed_in_each_round,
    one_of_two_stands_still_in_each_round,
    one_of_four_stands_still_in_each_round,
);

const DUPLICATES: usize = 64;
const LEASE: Duration = Duration::from_millis(200);

async fn two_gateways_run_each_operation_once(store: Store) {
    run_once(&store, 2, 25).await;
}

async fn four_gateways_run_each_operation_once(store: Store) {
    run_once(&store, 4, 25).await;
}

async fn one_of_two_killed_in_each_round(store: Store) {
    disturbed(&store, 2, 10, kill).await;
}

async fn one_of_four_killed_in_each_round(store: Store) {
    disturbed(&store, 4, 10, kill).await;
}

async fn one_of_two_stands_still_in_each_round(store: Store) {
    disturbed(&store, 2, 10, stand_still).await;
}

async fn one_of_four_stands_still_in_each_round(store: Store) {
    disturbed(&store, 4, 10, stand_still).await;
}

async fn run_once(store: &Store, gateways: usize, rounds: usize) {
    let upstream = Upstream::start().await;
    let fleet = fleet(&upstream, gateways, Settings::default().store(&store.lines())).await;
    for round in 1..=rounds {
        let key = format!("round-{round}");
        let answers = spread(&fleet, &key).join_all().await;
        let answers: Vec<Answer> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
        assert_eq!(upstream.executions(), round, "executions after round {round}");
        let told: BTreeSet<_> = answers.iter().map(|answer| (answer.status, answer.body.clone())).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(answers[0].status, 201);
        let first = answers.iter().filter(|answer| !answer.is_replay()).count();
        assert_eq!(first, 1, "first answers in round {round}");
    }
}

/// Disturbs one gateway in each round while all are busy. No operation runs twice, no answer is taken back,
/// and every record comes to an end.
async fn disturbed(
    store: &Store,
    gateways: usize,
    rounds: usize,
    disturb: impl AsyncFn(&mut Gateway, &Arc<Upstream>, Settings),
) {
    let upstream = Upstream::start().await;
    let route = format!("lease = \"{}ms\"\nwait_timeout = \"20s\"", LEASE.as_millis());
    let settings = Settings::route(&route).store(&store.lines());
    let mut fleet = fleet(&upstream, gateways, settings.clone()).await;
    let mut told = BTreeMap::new();
    for round in 0..rounds {
        let key = format!("round-{round}");
        let clients = spread(&fleet, &key);
        // The pause grows with each round, so that the disturbance hits each step.
        sleep(Duration::from_millis(2 * round as u64)).await;
        disturb(&mut fleet[round % gateways], &upstream, settings.clone()).await;
        told.insert(key, clients.join_all().await);
    }
    everything_ends(&fleet[0], rounds).await;
    for (key, answers) in &told {
        let executions = upstream.seen().iter().filter(|seen| seen.header("idempotency-key") == key).count();
        assert!(executions <= 1, "{key} ran {executions} times");
        let bodies: BTreeSet<_> = answers
            .iter()
            .flatten()
            .filter(|answer| answer.status == 201)
            .map(|answer| &answer.body)
            .collect();
        assert!(bodies.len() <= 1, "{key}: {bodies:?}");
        for gateway in &fleet {
            agree(
                key,
                bodies.first().copied(),
                executions,
                &post(gateway.address, "/v1/charges", key, "a").await,
            );
        }
    }
}

/// Checks that a later retry gets an answer that agrees with the earlier ones.
fn agree(key: &str, first: Option<&Vec<u8>>, executions: usize, retry: &Answer) {
    match retry.status {
        201 if first.is_some() => assert_eq!(Some(&retry.body), first, "{key}"),
        // No attempt had claimed the operation, or no client had received the response.
        201 => {}
        409 => {
            assert!(first.is_none(), "{key} was answered, and then {retry:?}");
            assert!(executions <= 1);
            drop(retry.problem(409, "outcome-unknown", "unknown", "never"));
        }
        _ => panic!("{key}: {retry:?}"),
    }
}

async fn kill(gateway: &mut Gateway, upstream: &Arc<Upstream>, settings: Settings) {
    gateway.kill().await;
    *gateway = gateway.restart(upstream, settings).await;
}

async fn stand_still(gateway: &mut Gateway, _: &Arc<Upstream>, _: Settings) {
    gateway.freeze().await;
    sleep(LEASE + LEASE / 2).await;
    gateway.thaw().await;
}

async fn fleet(upstream: &Arc<Upstream>, gateways: usize, settings: Settings) -> Vec<Gateway> {
    let mut fleet = Vec::new();
    for _ in 0..gateways {
        fleet.push(Gateway::start(upstream, settings.clone()).await);
    }
    fleet
}

/// Sends one request many times at once, to one gateway after the other. A killed gateway gives no answer.
fn spread(fleet: &[Gateway], key: &str) -> JoinSet<Option<Answer>> {
    let request = request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], b"a");
    let mut attempts = JoinSet::new();
    for number in 0..DUPLICATES {
        let (to, request) = (fleet[number % fleet.len()].address, request.clone());
        attempts.spawn(async move {
            let mut connection = Connection::try_open(to).await?;
            connection.stream.write_all(&request).await.ok()?;
            connection.try_answer().await
        });
    }
    attempts
}

/// Waits until no execution is running. Every record is then completed or unknown.
async fn everything_ends(gateway: &Gateway, rounds: usize) {
    let started = Instant::now();
    while !gateway.records("running").await.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "something runs for ever");
        sleep(Duration::from_millis(20)).await;
    }
    let ended = gateway.records("completed").await.len() + gateway.records("unknown").await.len();
    assert_eq!(ended, gateway.record_count().await);
    assert!(ended <= rounds);
}
