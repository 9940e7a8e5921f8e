//! Reloads under load: no request is dropped, and no operation runs twice, on each store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::kept::Kept;
use crate::harness::{Gateway, Settings, Upstream};
use crate::place::{Store, in_force, refused, reload};

/// Number of clients that send one request after the other. Half of them speak HTTP/2.
const CLIENTS: usize = 16;
/// Number of reloads during the load.
const RELOADS: usize = 8;
/// Time that the upstreams take for a payment, so that some run during each reload.
const PACE: Duration = Duration::from_millis(5);
/// The longest time that a test waits for its clients.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients that send operations, each of them twice, until they are told to stop.
struct Load {
    stops: Arc<AtomicBool>,
    sent: watch::Sender<usize>,
    clients: JoinSet<usize>,
}

impl Load {
    /// Starts clients over these gateways. An operation and its retry go to different ones.
    async fn start(gateways: &[Gateway]) -> Self {
        let (stops, sent) = (Arc::<AtomicBool>::default(), watch::Sender::new(0));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let mut connections = Vec::new();
            for gateway in gateways {
                let opened = Kept::open(gateway.address, client.is_multiple_of(2)).await;
                connections.push(opened.expect("it listens"));
            }
            let (stops, sent) = (Arc::clone(&stops), sent.clone());
            clients.spawn(async move {
                let mut operations = 0;
                while !stops.load(SeqCst) {
                    pay_twice(&mut connections, &format!("client-{client}-{operations}"), operations).await;
                    sent.send_modify(|count| *count += 2);
                    operations += 1;
                }
                operations
            });
        }
        Self { stops, sent, clients }
    }

    /// Waits until clients got this many further answers.
    async fn goes_on(&mut self, answers: usize) {
        let mut sent = self.sent.subscribe();
        let until = *sent.borrow() + answers;
        select! {
            done = timeout(PATIENCE, sent.wait_for(|count| *count >= until)) => {
                drop(done.expect("clients go on").expect("it is counted"));
            }
            ended = self.clients.join_next() => panic!("a client failed: {ended:?}"),
        }
    }

    /// Ends the clients. Returns the number of operations.
    async fn end(self) -> usize {
        self.stops.store(true, SeqCst);
        self.clients.join_all().await.into_iter().sum()
    }
}

/// Sends an operation and its retry. No connection may end, and no request may be without its answer.
async fn pay_twice(connections: &mut [Kept], key: &str, number: usize) {
    let mut bodies = Vec::new();
    for attempt in 0..2 {
        let connection = &mut connections[(number + attempt) % connections.len()];
        let answer = connection.post("/v1/charges", key, "{\"amount\":100}").await;
        let answer = answer.unwrap_or_else(|why| panic!("{key}: {why:?}"));
        assert!(!connection.is_over(), "{key}: {answer:?}");
        assert_eq!((answer.status, answer.is_replay()), (201, attempt == 1), "{key}: {answer:?}");
        bodies.push(answer.body);
    }
    assert_eq!(bodies[0], bodies[1], "{key}");
}

/// Makes another file of the text in each round: the upstream, limits, the ttl and the fingerprint change.
fn changed(text: &str, round: usize, upstreams: &[Arc<Upstream>; 2]) -> String {
    let (from, to) = (upstreams[round % 2].address, upstreams[(round + 1) % 2].address);
    let mut lines: Vec<String> =
        text.replace(&from.to_string(), &to.to_string()).lines().map(str::to_owned).collect();
    lines.retain(|line| !["ttl", "max_in_flight", "fingerprint"].iter().any(|key| line.starts_with(key)));
    let body = if round.is_multiple_of(2) { "json" } else { "raw" };
    for line in &mut lines {
        match &**line {
            "[server]" => *line = format!("[server]\nmax_in_flight = {}", 200 + round),
            "name = \"pay\"" => {
                *line = format!("{line}\nttl = \"{}h\"\nfingerprint = {{ body = \"{body}\" }}", 2 + round);
            }
            _ => {}
        }
    }
    lines.join("\n")
}

/// Puts a file with a mistake in the place of the good one, which stays in force.
async fn is_refused_under_load(gateway: &Gateway, load: &mut Load) {
    let good = std::fs::read_to_string(gateway.file()).expect("it can be read");
    gateway.rewrite(|text| text.replace("[server]\n", "[server]\nmax_in_flight = \"many\"\n"));
    refused(&reload(gateway).await, 422, "invalid");
    load.goes_on(20).await;
    gateway.rewrite(|_| good);
}

async fn reloads_under_load(store: Store, gateways: usize) {
    let upstreams = [Upstream::start().await, Upstream::start().await];
    upstreams.iter().for_each(|upstream| upstream.take(PACE));
    let mut fleet = Vec::new();
    for _ in 0..gateways {
        let settings = Settings::default().server("http2 = true").store(&store.lines());
        fleet.push(Gateway::start(&upstreams[0], settings).await);
    }
    let mut load = Load::start(&fleet).await;
    load.goes_on(200).await;
    for round in 0..RELOADS {
        // One gateway after the other, so both files run at once in between.
        for gateway in &fleet {
            gateway.rewrite(|text| changed(text, round, &upstreams));
            in_force(&reload(gateway).await);
            load.goes_on(50).await;
            if round.is_multiple_of(4) {
                is_refused_under_load(gateway, &mut load).await;
            }
        }
    }
    let operations = load.end().await;
    let mut executions = upstreams[0].executions_by_key();
    for (key, times) in upstreams[1].executions_by_key() {
        *executions.entry(key).or_default() += times;
    }
    assert_eq!(executions.len(), operations, "each operation ran");
    assert!(executions.values().all(|times| *times == 1), "{executions:?}");
    assert!(upstreams.iter().all(|upstream| upstream.executions() > 0), "both upstreams were used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_an_embedded_store_drops_nothing() {
    reloads_under_load(Store::Embedded, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_a_store_in_memory_drops_nothing() {
    reloads_under_load(Store::Memory, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_redis_drops_nothing_while_both_files_run() {
    reloads_under_load(Store::redis(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_postgres_drops_nothing_while_both_files_run() {
    reloads_under_load(Store::postgres(), 2).await;
}
