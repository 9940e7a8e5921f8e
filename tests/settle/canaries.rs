//! Secrets that must not be found anywhere: in logs, metrics, audit lines, or clear fields of the store.

use std::time::Duration;

use serde_json::json;

use crate::api::{Api, Call, Keys, Marker, Pause, Plan, Point, Protection};
use crate::client::Client;
use crate::harness::contains;
use crate::policy::{Policy, RESPONSE_TIMEOUT, SEARCH_LAG};
use crate::store::{Kind, Store};
use crate::world::{Options, World};

/// The secrets. No other text contains them.
const KEY: &str = "canary-4b8f-key";
const CREDENTIAL: &str = "canary-91d2-credential";
const BODY: &str = "canary-c07e-body";
const RESPONSE: &str = "canary-2aa5-response";
/// The beginning of the keys, one for each fault.
const FAULTS: [(&str, Plan); 6] = [
    ("charged", Plan::CHARGE),
    ("lost", Plan::ANSWER_LOST),
    ("never", Plan::NEVER_ARRIVED),
    ("said-503", Plan::refuse(503)),
    ("said-429", Plan::refuse(429)),
    ("late", Plan::CHARGE.committed(Pause::For(Duration::from_millis(1000)))),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marker() {
    on_every_store(Policy::Marker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probe() {
    on_every_store(Policy::Probe).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys() {
    on_every_store(Policy::Keys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_keys() {
    on_every_store(Policy::KeptKeys).await;
}

async fn on_every_store(policy: Policy) {
    for store in [Kind::Postgres, Kind::Redis, Kind::Embedded] {
        planted(policy, store).await;
    }
}

/// Runs an operation with every fault, and one with a gateway that is killed. Looks for the secrets while
/// outcomes are unknown, and after they were settled.
async fn planted(policy: Policy, store: Kind) {
    assert!(RESPONSE_TIMEOUT < Duration::from_millis(1000), "an answer is late");
    let script = |call: &Call| {
        let fault = FAULTS.iter().find(|(name, _)| call.key.ends_with(name));
        fault.filter(|_| call.number == 1).map_or(Plan::CHARGE, |(_, plan)| *plan)
    };
    let protection = match policy {
        Policy::Marker => Protection::Marker(Marker::new(true).await),
        Policy::Probe => Protection::Absent,
        Policy::Keys | Policy::KeptKeys => Protection::Keys(Keys::living(Duration::from_secs(150))),
    };
    let api = Api::with(protection, SEARCH_LAG, RESPONSE, script).await;
    let loud = vec![("ONCEGATE__LOG__LEVEL".to_owned(), "debug".to_owned())];
    let options = Options { gateways: 1, environment: loud, ..Options::default() };
    let mut world = World::start(policy, api, Store::of(store).await, options).await;
    let clients: Vec<Client> = FAULTS.iter().map(|(name, _)| client(&world, name)).collect();
    for client in &clients {
        drop(client.attempt(0).await);
    }
    killed_in_between(&mut world).await;
    look(&world, store).await;
    for client in clients.iter().chain([&client(&world, "killed")]) {
        drop(client.run(0, Duration::from_secs(20)).await);
    }
    decide(&world).await;
    look(&world, store).await;
    assert!(world.logs().contains("oncegate::audit"), "an audit line");
}

fn client(world: &World, name: &str) -> Client {
    let body = format!("{{\"amount\":100,\"card\":\"{BODY}\"}}");
    let credential = format!("Bearer {CREDENTIAL}");
    Client { body, credential, ..world.client(&format!("{KEY}-{name}")) }
}

/// Kills the gateway while it waits for the upstream.
async fn killed_in_between(world: &mut World) {
    let done = world.api.calls().len();
    let client = client(world, "killed");
    // On a busy machine an attempt may find no connection to the API, and its client tries again.
    let attempts = tokio::spawn(async move {
        loop {
            drop(client.attempt(0).await);
        }
    });
    world.api.reached(Point::Received, done + 1).await;
    world.kill(0).await;
    attempts.abort();
    world.start_again(0).await;
}

/// Lets an operator look at a record, delete it, and be refused another.
async fn decide(world: &World) {
    let records = world.records(0, "completed").await;
    let record = records.first().unwrap_or_else(|| panic!("a record: {}", world.logs()));
    let path = format!("/v1/records/{}", record["id"].as_str().expect("an id"));
    let note = json!({ "executed": false, "note": "a test" });
    assert_eq!(world.fleet[0].admin_post(&format!("{path}/resolve"), &note).await.status, 409);
    assert_eq!(world.fleet[0].admin_delete(&path).await.status, 200);
}

/// Looks for every secret in everything that gateways write.
async fn look(world: &World, store: Kind) {
    let metrics = world.fleet[0].admin_get("/metrics").await.text().to_owned();
    let listed = world.records(0, "").await;
    let told = [("logs", world.logs()), ("metrics", metrics), ("records", format!("{listed:?}"))];
    for (place, text) in &told {
        for secret in [KEY, CREDENTIAL, BODY, RESPONSE] {
            let line = text.lines().find(|line| contains(line.as_bytes(), secret));
            assert_eq!(line, None, "{secret} is in the {place}");
        }
    }
    for (place, bytes) in world.store.contents().await {
        for secret in [KEY, CREDENTIAL, BODY] {
            assert!(!contains(&bytes, secret), "{secret} is in {place}");
        }
        // A file of the embedded store holds both, and a record has no place for a response in any store.
        let of_responses = store == Kind::Embedded || place.contains("response");
        assert!(of_responses || !contains(&bytes, RESPONSE), "{RESPONSE} is in {place}");
    }
}
