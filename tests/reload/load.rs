//! Reloads under load: no request is dropped, and no operation runs twice, on each store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::task::JoinSet;

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request_bytes};
use crate::place::{Store, in_force, reload};

/// Number of clients that send one request after the other.
const CLIENTS: usize = 16;
/// Number of reloads during the load.
const RELOADS: usize = 12;

/// Clients that send operations, each of them twice, until they are told to stop.
struct Load {
    stops: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    clients: JoinSet<usize>,
}

impl Load {
    /// Starts clients over these gateways. An operation and its retry go to different ones.
    fn start(gateways: &[Gateway]) -> Self {
        let (stops, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let addresses: Vec<_> = gateways.iter().map(|gateway| gateway.address).collect();
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (stops, sent, addresses) = (Arc::clone(&stops), Arc::clone(&sent), addresses.clone());
            clients.spawn(async move {
                let mut connections = Vec::new();
                for address in &addresses {
                    connections.push(Connection::open(*address).await);
                }
                let mut operations = 0;
                while !stops.load(SeqCst) {
                    let key = format!("client-{client}-{operations}");
                    let headers = [("idempotency-key", &*key), ("content-type", "application/json")];
                    let bytes = request_bytes("POST", "/v1/charges", &headers, b"{\"amount\":100}");
                    let mut bodies = Vec::new();
                    for attempt in 0..2 {
                        let connection = &mut connections[(operations + attempt) % addresses.len()];
                        connection.send(&bytes).await;
                        let answer = connection.answer().await;
                        assert_eq!(answer.status, 201, "{key}: {answer:?}");
                        assert_eq!(answer.is_replay(), attempt == 1, "{key}: {answer:?}");
                        bodies.push(answer.body);
                        sent.fetch_add(1, SeqCst);
                    }
                    assert_eq!(bodies[0], bodies[1], "{key}");
                    operations += 1;
                }
                operations
            });
        }
        Self { stops, sent, clients }
    }

    /// Waits until clients got this many further answers.
    async fn goes_on(&self, answers: usize) {
        let until = self.sent.load(SeqCst) + answers;
        while self.sent.load(SeqCst) < until {
            assert!(self.clients.len() == CLIENTS, "a client failed");
            tokio::task::yield_now().await;
        }
    }

    /// Ends the clients. Returns the number of operations.
    async fn end(self) -> usize {
        self.stops.store(true, SeqCst);
        self.clients.join_all().await.into_iter().sum()
    }
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

async fn reloads_under_load(store: Store, gateways: usize) {
    let upstreams = [Upstream::start().await, Upstream::start().await];
    let mut fleet = Vec::new();
    for _ in 0..gateways {
        let settings = Settings::default().store(&store.lines());
        fleet.push(Gateway::start(&upstreams[0], settings).await);
    }
    let load = Load::start(&fleet);
    load.goes_on(200).await;
    for round in 0..RELOADS {
        // One gateway after the other, so both files run at once in between.
        for gateway in &fleet {
            gateway.rewrite(|text| changed(text, round, &upstreams));
            in_force(&reload(gateway).await);
            load.goes_on(50).await;
        }
    }
    let operations = load.end().await;
    let mut executions: BTreeMap<String, usize> = BTreeMap::new();
    for seen in upstreams.iter().flat_map(|upstream| upstream.seen()) {
        *executions.entry(seen.header("idempotency-key").to_owned()).or_default() += 1;
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
async fn a_fleet_on_redis_drops_nothing_while_both_files_run() {
    reloads_under_load(Store::redis(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_postgres_drops_nothing_while_both_files_run() {
    reloads_under_load(Store::postgres(), 2).await;
}

/// Gateways with both files compare a retry by the scheme of its record, whoever made it.
async fn records_are_compared_by_their_own_scheme(store: Store) {
    let upstream = Upstream::start().await;
    let raw = Gateway::start(&upstream, Settings::default().store(&store.lines())).await;
    let json = Gateway::start(&upstream, Settings::default().store(&store.lines())).await;
    json.rewrite(|text| text.replace("name = \"pay\"", "name = \"pay\"\nfingerprint = { body = \"json\" }"));
    in_force(&reload(&json).await);
    let (one, other) = ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}");
    for (first, second, key, other_order) in [(&raw, &json, "raw", 422), (&json, &raw, "json", 201)] {
        assert_eq!(post(first.address, "/v1/charges", key, one).await.status, 201);
        assert!(post(second.address, "/v1/charges", key, one).await.is_replay());
        assert_eq!(post(second.address, "/v1/charges", key, other).await.status, other_order, "{key}");
        assert_eq!(post(first.address, "/v1/charges", key, other).await.status, other_order, "{key}");
    }
    assert_eq!(upstream.executions(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_redis_compares_records_by_their_own_scheme() {
    records_are_compared_by_their_own_scheme(Store::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_postgres_compares_records_by_their_own_scheme() {
    records_are_compared_by_their_own_scheme(Store::postgres()).await;
}
