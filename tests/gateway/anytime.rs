//! Kills and standstills at arbitrary moments: at every step of the gateway, no operation runs twice, no
//! answer to a client is taken back, and every record comes to an end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, post, request_bytes};

const STANDSTILLS: u64 = 10;
const STANDSTILL: Duration = Duration::from_millis(250);
const CLIENTS: usize = 24;
const ROUTE: &str = "lease = \"150ms\"\nwait_timeout = \"20s\"";

fn settings() -> Settings {
    Settings::route(ROUTE).upstream("response_timeout = \"10s\"")
}

/// Sends one attempt. Returns the response if it came in full, because the gateway may end at any moment.
async fn attempt(to: SocketAddr, key: String) -> (String, Option<Answer>) {
    let request = request_bytes("POST", "/v1/charges", &[("idempotency-key", &key)], key.as_bytes());
    let answer = async {
        let mut connection = Connection::try_open(to).await?;
        connection.stream.write_all(&request).await.ok()?;
        connection.try_answer().await
    };
    let answer = answer.await;
    (key, answer)
}

/// Starts clients with one key each, all at the same time.
fn attempts(to: SocketAddr, round: u64) -> JoinSet<(String, Option<Answer>)> {
    let mut attempts = JoinSet::new();
    for client in 0..CLIENTS {
        attempts.spawn(attempt(to, format!("k-{round}-{client}")));
    }
    attempts
}

/// Retries until the answer is final. A gateway that notices before the first byte that its lease is over
/// answers that nothing was sent, and that the client may retry.
async fn retry(to: SocketAddr, key: &str) -> Answer {
    loop {
        let told = post(to, "/v1/charges", key, key).await;
        match told.status {
            502 => drop(told.problem(502, "upstream-unreachable", "no", "same-key")),
            _ => return told,
        }
    }
}

/// Returns for each key how often the upstream received it.
fn executions(upstream: &Upstream) -> BTreeMap<String, usize> {
    let mut executions = BTreeMap::new();
    for seen in upstream.seen() {
        *executions.entry(seen.header("idempotency-key").to_owned()).or_default() += 1;
    }
    executions
}

/// Checks that a retry agrees with the answer to the first attempt, and that the retry ran nothing.
fn agree(key: &str, first: Option<&Answer>, retry: &Answer, executed: bool) {
    match first {
        Some(first) if first.status == 201 => {
            assert!(retry.is_replay(), "{key} was answered, and then {retry:?}");
            assert_eq!((retry.status, &retry.body), (first.status, &first.body), "{key}");
        }
        _ if retry.status == 201 => assert!(executed, "{key}: an answer from nowhere"),
        _ => drop(retry.problem(retry.status, "outcome-unknown", "unknown", "never")),
    }
}

/// Each round kills the process later, until the process answers every client before the kill.
#[tokio::test]
async fn a_kill_at_any_moment_runs_nothing_twice_and_takes_no_answer_back() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, settings()).await;
    let (mut told, mut round, mut answered) = (BTreeMap::new(), 0, 0);
    while answered < CLIENTS {
        let clients = attempts(gateway.address, round);
        sleep(Duration::from_millis(3 * round)).await;
        gateway.kill().await;
        let answers = clients.join_all().await;
        answered = answers.iter().filter(|(_, answer)| answer.is_some()).count();
        assert!(round > 0 || answered < CLIENTS, "the first kill came too late");
        told.extend(answers);
        round += 1;
        gateway = gateway.restart(&upstream, settings()).await;
    }
    let before = executions(&upstream);
    assert!(before.values().all(|executions| *executions == 1), "{before:?}");
    for (key, first) in &told {
        let retry = retry(gateway.address, key).await;
        // An operation that was never claimed runs now, as a first attempt.
        let runs_now = !before.contains_key(key) && retry.status == 201 && !retry.is_replay();
        assert!(!runs_now || first.is_none(), "{key} was told {first:?}");
        agree(key, first.as_ref(), &retry, runs_now || before.contains_key(key));
    }
    assert!(executions(&upstream).values().all(|executions| *executions == 1));
}

/// Each round stops the process a little later, for longer than its leases.
#[tokio::test]
async fn a_standstill_at_any_moment_runs_nothing_twice_and_leaves_nobody_without_an_answer() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, settings()).await;
    let mut met = 0;
    for round in 0..STANDSTILLS {
        let mut clients = attempts(gateway.address, round);
        sleep(Duration::from_millis(round)).await;
        gateway.freeze().await;
        let mut answers = Vec::new();
        while let Some(answer) = clients.try_join_next() {
            answers.push(answer.expect("no panic"));
        }
        met += clients.len();
        sleep(STANDSTILL).await;
        gateway.thaw().await;
        answers.extend(clients.join_all().await);
        for (key, first) in answers {
            let first = first.expect("the gateway lives");
            let retry = retry(gateway.address, &key).await;
            if first.status == 502 {
                first.problem(502, "upstream-unreachable", "no", "same-key");
                assert_eq!((retry.status, retry.is_replay()), (201, false));
            } else {
                agree(&key, Some(&first), &retry, executions(&upstream).contains_key(&key));
            }
        }
    }
    assert!(met > 0, "every standstill came after the last answer");
    let executions = executions(&upstream);
    assert!(executions.values().all(|executions| *executions == 1), "{executions:?}");
    assert!(gateway.records("running").await.is_empty());
}
