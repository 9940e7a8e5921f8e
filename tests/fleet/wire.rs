//! Faults between a gateway and its store: no operation runs twice, clients are told what the gateway knows,
//! and the gateway recovers by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::harness::{Answer, Gateway, Settings, Upstream, post};
use crate::servers::proxy::{Proxy, Wire};
use crate::store::{Store, on_every_store};

on_every_store!(
    a_store_that_is_away_takes_no_claim_and_is_used_again,
    a_claim_whose_answer_is_lost_runs_at_most_once_and_frees_its_key,
    an_answer_that_cannot_be_stored_is_given_and_stored_later,
    a_completion_whose_answer_is_lost_is_not_taken_back,
    an_owner_that_cannot_renew_finishes_and_nobody_else_runs,
    a_store_that_is_slow_costs_one_timeout,
    a_store_that_swallows_everything_costs_no_memory,
    what_was_just_replayed_is_replayed_without_the_store,
    a_bypass_forwards_what_the_store_says_nothing_of_and_says_so,
    a_bypass_runs_nothing_that_is_known_to_run,
);

const TIMEOUT: Duration = Duration::from_millis(500);

/// A gateway with a connection to the store that the test can cut.
struct Wired {
    upstream: Arc<Upstream>,
    gateway: Gateway,
    proxy: Proxy,
}

async fn wired(store: &Store, route: &str) -> Wired {
    let upstream = Upstream::start().await;
    let (gateway, proxy) = wired_to(&upstream, store, route).await;
    Wired { upstream, gateway, proxy }
}

async fn wired_to(upstream: &Upstream, store: &Store, route: &str) -> (Gateway, Proxy) {
    let proxy = Proxy::to(store.port()).await;
    let lines = format!("{}\ntimeout = \"{}ms\"", store.lines_at(proxy.port), TIMEOUT.as_millis());
    (Gateway::start(upstream, Settings::route(route).store(&lines)).await, proxy)
}

impl Wired {
    async fn post(&self, key: &str) -> Answer {
        post(self.gateway.address, "/v1/charges", key, "a").await
    }

    /// Posts until the store works again. Returns the answer and the time that it took.
    async fn until_answered(&self, key: &str) -> (Answer, Duration) {
        let started = Instant::now();
        loop {
            let answer = self.post(key).await;
            match answer.status {
                503 => drop(answer.problem(503, "store-unavailable", "unknown", "same-key")),
                409 if answer.text().contains("in-flight") => {}
                // The gateway of this execution holds the response and has not stored it yet.
                201 if answer.header("idempotency-stored") == Some("false") => {}
                _ => return (answer, started.elapsed()),
            }
            assert!(started.elapsed() < Duration::from_secs(30), "never answered: {answer:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until `/readyz` answers with this status.
    async fn readiness(&self, status: u16) {
        let started = Instant::now();
        while self.gateway.admin_get("/readyz").await.status != status {
            assert!(started.elapsed() < Duration::from_secs(30), "never {status}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn a_store_that_is_away_takes_no_claim_and_is_used_again(store: Store) {
    let wired = wired(&store, "").await;
    for (round, away) in [Wire::Cut, Wire::Closed, Wire::Mute, Wire::Lose].into_iter().enumerate() {
        wired.readiness(200).await;
        wired.proxy.set(away);
        let told = wired.post(&format!("away-{round}")).await;
        told.problem(503, "store-unavailable", "unknown", "same-key");
        assert_eq!(wired.upstream.executions(), round, "{away:?}");
        wired.readiness(503).await;
        wired.proxy.set(Wire::Whole);
        let (answer, healed) = wired.until_answered(&format!("back-{round}")).await;
        assert_eq!((answer.status, answer.is_replay()), (201, false), "{away:?}");
        assert!(healed < 8 * TIMEOUT, "{away:?}: {healed:?}");
    }
}

async fn a_claim_whose_answer_is_lost_runs_at_most_once_and_frees_its_key(store: Store) {
    let wired = wired(&store, "lease = \"60s\"").await;
    for (round, lost) in [Wire::Lose, Wire::Mute].into_iter().enumerate() {
        let key = format!("k-{round}");
        wired.proxy.set(lost);
        wired.post(&key).await.problem(503, "store-unavailable", "unknown", "same-key");
        assert_eq!(wired.upstream.executions(), round, "nothing was sent");
        wired.proxy.set(Wire::Whole);
        // Long before the lease ends: a claim that may have been made was released.
        let (answer, _) = wired.until_answered(&key).await;
        assert_eq!((answer.status, answer.is_replay()), (201, false), "{lost:?}");
        assert_eq!(wired.upstream.executions(), round + 1);
    }
}

async fn an_answer_that_cannot_be_stored_is_given_and_stored_later(store: Store) {
    let wired = wired(&store, "").await;
    for (round, away) in [Wire::Cut, Wire::Closed, Wire::Mute].into_iter().enumerate() {
        let key = format!("k-{round}");
        wired.upstream.hold();
        let (to, client) = (wired.gateway.address, key.clone());
        let first = tokio::spawn(async move { post(to, "/v1/charges", &client, "a").await });
        wired.upstream.reached(round + 1).await;
        wired.proxy.set(away);
        wired.upstream.let_go();
        let first = first.await.expect("an answer");
        assert_eq!((first.status, first.header("idempotency-stored")), (201, Some("false")), "{away:?}");
        wired.proxy.set(Wire::Whole);
        let (retry, _) = wired.until_answered(&key).await;
        assert_eq!((retry.status, &retry.body, retry.is_replay()), (201, &first.body, true), "{away:?}");
        assert_eq!(wired.upstream.executions(), round + 1);
    }
}

async fn a_completion_whose_answer_is_lost_is_not_taken_back(store: Store) {
    let wired = wired(&store, "").await;
    wired.upstream.hold();
    let to = wired.gateway.address;
    let first = tokio::spawn(async move { post(to, "/v1/charges", "k", "a").await });
    wired.upstream.reached(1).await;
    let passed = wired.proxy.passed();
    wired.proxy.set(Wire::Lose);
    wired.upstream.let_go();
    let first = first.await.expect("an answer");
    assert!(wired.proxy.passed() > passed, "the completion got through");
    wired.proxy.set(Wire::Whole);
    let (retry, _) = wired.until_answered("k").await;
    assert_eq!((retry.status, &retry.body, retry.is_replay()), (first.status, &first.body, true));
    assert_eq!(wired.upstream.executions(), 1);
}

/// A gateway is cut off from the store for longer than its lease while its call runs. The other gateways
/// are not. After the connection is back, the response of that call is the outcome of the operation.
async fn an_owner_that_cannot_renew_finishes_and_nobody_else_runs(store: Store) {
    let route = "lease = \"600ms\"";
    let wired = wired(&store, route).await;
    let (other, _wire) = wired_to(&wired.upstream, &store, route).await;
    wired.upstream.hold();
    let to = wired.gateway.address;
    let first = tokio::spawn(async move { post(to, "/v1/charges", "k", "a").await });
    wired.upstream.reached(1).await;
    wired.proxy.set(Wire::Cut);
    let present = post(other.address, "/v1/charges", "k", "a").await;
    present.problem(504, "outcome-unknown", "unknown", "never");
    let later = post(other.address, "/v1/charges", "k", "a").await;
    later.problem(409, "outcome-unknown", "unknown", "never");
    wired.proxy.set(Wire::Whole);
    wired.upstream.let_go();
    let first = first.await.expect("an answer");
    assert_eq!(first.status, 201);
    other.record_in("completed").await;
    let replay = post(other.address, "/v1/charges", "k", "a").await;
    assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &first.body, true));
    assert_eq!(wired.upstream.executions(), 1);
}

async fn a_store_that_is_slow_costs_one_timeout(store: Store) {
    let wired = wired(&store, "").await;
    wired.proxy.set(Wire::Slow(2 * TIMEOUT));
    let started = Instant::now();
    let mut attempts = JoinSet::new();
    for number in 0..64 {
        let to = wired.gateway.address;
        attempts.spawn(async move { post(to, "/v1/charges", &format!("k-{number}"), "a").await });
    }
    for answer in attempts.join_all().await {
        answer.problem(503, "store-unavailable", "unknown", "same-key");
    }
    // A claim with an unclear result is made twice.
    assert!(started.elapsed() < 12 * TIMEOUT, "{:?}", started.elapsed());
    assert_eq!(wired.upstream.executions(), 0);
    wired.proxy.set(Wire::Whole);
    let (answer, _) = wired.until_answered("k-0").await;
    assert_eq!((answer.status, wired.upstream.executions()), (201, 1));
}

async fn a_store_that_swallows_everything_costs_no_memory(store: Store) {
    const WAVES: usize = 12;
    const CLIENTS: usize = 200;
    let wired = wired(&store, "").await;
    let body = vec![b'x'; 50_000];
    let wave = async |wave: usize| {
        let mut attempts = JoinSet::new();
        for number in 0..CLIENTS {
            let (to, body) = (wired.gateway.address, body.clone());
            attempts.spawn(async move { post(to, "/v1/charges", &format!("k-{wave}-{number}"), body).await });
        }
        attempts.join_all().await
    };
    wired.proxy.set(Wire::Cut);
    wave(0).await;
    wave(1).await;
    wave(2).await;
    let before = wired.gateway.memory();
    for number in 3..WAVES {
        for answer in wave(number).await {
            answer.problem(503, "store-unavailable", "unknown", "same-key");
        }
    }
    let grown = wired.gateway.memory().saturating_sub(before);
    // The allocator does not return freed memory at once. Kept bodies would need as much memory as nine
    // waves.
    assert!(
        grown < (3 * CLIENTS * body.len()) as u64,
        "{grown} bytes more after {} attempts",
        WAVES * CLIENTS
    );
    assert_eq!(wired.upstream.executions(), 0);
    wired.proxy.set(Wire::Whole);
    let (answer, _) = wired.until_answered("after").await;
    assert_eq!((answer.status, wired.upstream.executions()), (201, 1));
}

/// Returns how often a gateway asked its store to claim or to read a record.
async fn asked_for_records(gateway: &Gateway) -> u64 {
    let asked =
        async |op| gateway.metric(&format!("oncegate_store_duration_seconds_count{{op=\"{op}\"}}")).await;
    asked("claim").await + asked("read").await
}

/// A replay without the store is possible for ten seconds, and never beyond the ttl. A deletion ends it.
async fn what_was_just_replayed_is_replayed_without_the_store(store: Store) {
    let wired = wired(&store, "ttl = \"6s\"").await;
    let first = wired.post("k").await;
    wired.post("deleted").await;
    for key in ["k", "deleted"] {
        assert!(wired.post(key).await.is_replay());
    }
    let asked = asked_for_records(&wired.gateway).await;
    assert!(asked >= 2, "{asked}");
    for _ in 0..60 {
        let replay = wired.post("k").await;
        assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &first.body, true));
    }
    assert_eq!(asked_for_records(&wired.gateway).await, asked);

    let records = wired.gateway.records("completed").await;
    let newest = records.iter().max_by_key(|record| record["created_at"].to_string()).expect("two records");
    let path = format!("/v1/records/{}", newest["id"].as_str().expect("an id"));
    assert_eq!(wired.gateway.admin_delete(&path).await.status, 200);
    wired.post("deleted").await.problem(410, "key-expired", "yes", "never");

    wired.proxy.set(Wire::Closed);
    let replay = wired.post("k").await;
    assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &first.body, true));
    let other = post(wired.gateway.address, "/v1/charges", "k", "other").await;
    other.problem(422, "payload-mismatch", "no", "new-key");
    let started = Instant::now();
    while wired.post("k").await.status == 201 {
        assert!(started.elapsed() < Duration::from_secs(9), "it outlives its ttl");
        sleep(Duration::from_millis(20)).await;
    }
    wired.post("k").await.problem(410, "key-expired", "yes", "never");
    assert_eq!(wired.upstream.executions(), 2);
}

const BYPASS: &str = "on_store_error = \"bypass\"\ni_accept_duplicates = true";

async fn a_bypass_forwards_what_the_store_says_nothing_of_and_says_so(store: Store) {
    let wired = wired(&store, BYPASS).await;
    let stored = wired.post("\"stored\"").await;
    assert_eq!((stored.status, stored.header("idempotency-stored")), (201, None));
    for (round, away) in [Wire::Cut, Wire::Lose].into_iter().enumerate() {
        wired.proxy.set(away);
        let before = wired.upstream.executions();
        // The key is quoted, as the draft of the header requires.
        let key = format!("\"k-{round}\"");
        for _ in 0..2 {
            let forwarded = wired.post(&key).await;
            assert_eq!((forwarded.status, forwarded.is_replay()), (201, false), "{away:?}");
            assert_eq!(forwarded.header("idempotency-stored"), Some("false"));
        }
        assert_eq!(wired.upstream.executions(), before + 2, "a retry runs again, as was accepted");
        let seen = wired.upstream.seen().pop().expect("a request");
        assert_eq!(
            (seen.header("idempotency-key"), seen.header("idempotency-execution")),
            (&*format!("k-{round}"), "")
        );
        assert_eq!(&seen.body[..], b"a");
        wired.proxy.set(Wire::Whole);
        wired.readiness(200).await;
        // Nothing was recorded, and no claim was left behind.
        let (after, _) = wired.until_answered(&key).await;
        assert_eq!((after.status, after.is_replay(), after.header("idempotency-stored")), (201, false, None));
    }
    let metrics = wired.gateway.admin_get("/metrics").await;
    assert!(metrics.text().contains("oncegate_bypassed_total{route=\"pay\"} 4\n"), "{}", metrics.text());
    let unprotected = "oncegate_requests_total{route=\"pay\",outcome=\"unprotected\"} 4\n";
    assert!(metrics.text().contains(unprotected), "{}", metrics.text());
    wired.gateway.logs("forwarded UNPROTECTED").await;
    let replay = wired.post("stored").await;
    assert_eq!((&replay.body, replay.is_replay()), (&stored.body, true));
}

async fn a_bypass_runs_nothing_that_is_known_to_run(store: Store) {
    let wired = wired(&store, BYPASS).await;
    wired.upstream.hold();
    let to = wired.gateway.address;
    let client = || tokio::spawn(async move { post(to, "/v1/charges", "k", "a").await });
    let (first, waits) = (client(), client());
    wired.upstream.reached(1).await;
    wired.gateway.duplicates(1).await;
    wired.proxy.set(Wire::Cut);
    let without_store = client();
    wired.gateway.logs("nothing was sent: ").await;
    wired.upstream.let_go();
    for answer in [first, waits, without_store] {
        assert_eq!(answer.await.expect("an answer").status, 201);
    }
    assert_eq!(wired.upstream.executions(), 1);
}
