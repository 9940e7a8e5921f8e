//! Twice and three times as many clients as executions may run at once.
//!
//! Goodput is measured without a clock. The upstream serves in steps: it holds all requests that it receives,
//! and the test releases all of them at once. An upstream with N slots can serve N responses in each step.
//! Each step begins with one attempt of each of 2N clients, on a connection that the client keeps. The step
//! is full once each attempt was either shed or has arrived at the upstream. Waste by a shed attempt
//! therefore shows as a slot that stays empty: a slot that it holds, a claim that makes its retry wait, or a
//! connection that it closes. An attempt that is queued instead of shed does neither, and the step is never
//! full.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, post, request_bytes};

/// The number of executions that may run at once.
const PLACES: usize = 8;
/// The number of steps that the upstream serves.
const STEPS: usize = 25;
/// The longest time until a step is full.
const PATIENCE: Duration = Duration::from_secs(30);

async fn gateway(upstream: &Upstream) -> Gateway {
    let limit = format!("max_in_flight = {PLACES}");
    Gateway::start(upstream, Settings::default().server(&limit)).await
}

/// Returns the number of records in this state.
async fn records(gateway: &Gateway, state: &str) -> usize {
    gateway.records(state).await.len()
}

#[tokio::test]
async fn the_excess_is_shed_before_any_claim() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let address = gateway.address;
    post(address, "/v1/charges", "known", "a").await;
    upstream.hold();
    let (tell, mut told) = mpsc::unbounded_channel();
    for number in 0..3 * PLACES {
        let tell = tell.clone();
        tokio::spawn(async move {
            let key = format!("k-{number}");
            drop(tell.send((post(address, "/v1/charges", &key, "a").await, key)));
        });
    }
    upstream.reached(1 + PLACES).await;
    let mut shed = Vec::new();
    for _ in 0..2 * PLACES {
        let answered = timeout(PATIENCE, told.recv()).await.expect("the excess is answered at once");
        let (answer, key) = answered.expect("every client tells");
        let members = answer.problem(503, "overloaded", "unknown", "same-key");
        assert!(members.get("record").is_none());
        shed.push(key);
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (1 + PLACES, 1 + PLACES));
    assert_eq!(records(&gateway, "running").await, PLACES);

    // Requests that need no slot are still answered: a known outcome, an invalid request, and a waiter.
    assert!(post(address, "/v1/charges", "known", "a").await.is_replay());
    let other = post(address, "/v1/charges", "known", "b").await;
    other.problem(422, "payload-mismatch", "no", "new-key");
    let running: Vec<_> = (0..3 * PLACES).map(|number| format!("k-{number}")).collect();
    let running = running.into_iter().find(|key| !shed.contains(key)).expect("some run");
    let waiting = tokio::spawn(async move { post(address, "/v1/charges", &running, "a").await });
    gateway.duplicates(1).await;

    upstream.let_go();
    assert!(waiting.await.expect("no panic").is_replay());
    for _ in 0..PLACES {
        assert_eq!(told.recv().await.expect("the others run").0.status, 201);
    }
    for key in &shed {
        let retry = post(address, "/v1/charges", key, "a").await;
        assert_eq!((retry.status, retry.is_replay()), (201, false));
    }
    assert_eq!((upstream.executions(), gateway.record_count().await), (1 + 3 * PLACES, 1 + 3 * PLACES));
}

/// A client: its connection, and the number of operations that it has finished.
struct Client {
    connection: Connection,
    name: usize,
    done: usize,
}

impl Client {
    /// Makes one attempt at the client's current operation.
    async fn attempt(&mut self) -> Answer {
        let key = format!("{}-{}", self.name, self.done);
        self.connection.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", &key)], b"a")).await;
        let answer = self.connection.answer().await;
        self.done += usize::from(answer.status == 201);
        answer
    }
}

/// Lets some clients make one attempt each. Once each attempt was answered or has arrived, the upstream
/// serves the arrived ones. Returns the clients with the number of good responses.
async fn step(gateway: &Gateway, upstream: &Arc<Upstream>, clients: Vec<Client>) -> (Vec<Client>, usize) {
    let (count, served) = (clients.len(), upstream.executions());
    upstream.hold();
    let mut attempts = JoinSet::new();
    for mut client in clients {
        attempts.spawn(async move { (client.attempt().await, client) });
    }
    let mut told = Vec::new();
    let full = async {
        while told.len() + upstream.executions() - served < count {
            tokio::select! {
                one = attempts.join_next() => told.push(one.expect("one is missing").expect("no panic")),
                () = upstream.reached(served + count - told.len()) => {}
            }
        }
    };
    timeout(PATIENCE, full).await.expect("every attempt is turned away or runs");
    assert!(upstream.executions() - served <= PLACES, "more than may run at once");
    assert_eq!(records(gateway, "running").await, upstream.executions() - served, "claims of shed attempts");
    upstream.let_go();
    told.extend(attempts.join_all().await);
    let good = told.iter().filter(|(answer, _)| answer.status == 201 && !answer.is_replay()).count();
    for (answer, _) in told.iter().filter(|(answer, _)| answer.status != 201) {
        answer.problem(503, "overloaded", "unknown", "same-key");
    }
    (told.into_iter().map(|(_, client)| client).collect(), good)
}

/// Returns the number of good responses that this many clients get from the upstream.
async fn goodput(count: usize) -> usize {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut clients = Vec::new();
    for name in 0..count {
        clients.push(Client { connection: Connection::open(gateway.address).await, name, done: 0 });
    }
    let mut all = 0;
    for _ in 0..STEPS {
        let good;
        (clients, good) = step(&gateway, &upstream, clients).await;
        all += good;
    }
    assert_eq!(clients.iter().map(|client| client.done).sum::<usize>(), all);

    all
}

#[tokio::test]
async fn goodput_under_twice_the_capacity_is_that_of_the_peak() {
    let peak = goodput(PLACES).await;
    assert_eq!(peak, STEPS * PLACES, "what the upstream can do");
    let overloaded = goodput(2 * PLACES).await;
    assert!(overloaded * 10 >= peak * 9, "{overloaded} of {peak} answers");
}
