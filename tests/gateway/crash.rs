//! Kills of the real process with SIGKILL at every step of an execution, and the decisions of an operator
//! about the records that are left.

use serde_json::json;

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, post, request_bytes};

/// Short times, so that leases lapse during the test.
const SHORT: &str = "lease = \"200ms\"\nwait_timeout = \"20s\"";

fn settings() -> Settings {
    Settings::route(SHORT).upstream("response_timeout = \"300ms\"\nconnect_timeout = \"100ms\"")
}

/// Kills a gateway at `failpoint` while it runs `k-1`. Returns the next gateway on the same data.
async fn killed_at(failpoint: &str, upstream: &Upstream) -> Gateway {
    killed_with(settings(), failpoint, upstream).await
}

async fn killed_with(settings: Settings, failpoint: &str, upstream: &Upstream) -> Gateway {
    let mut gateway = Gateway::start(upstream, settings.clone().stop_at(failpoint)).await;
    let address = gateway.address;
    let client = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.send(keyed()).await;
        connection.try_answer().await
    });
    gateway.logs(&format!("failpoint {failpoint}")).await;
    gateway.kill().await;
    assert_eq!(client.await.expect("client"), None, "nobody was answered");
    gateway.restart(upstream, settings).await
}

/// Returns the bytes of the request that is running at the kill.
fn keyed() -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", "k-1")], b"a")
}

async fn retry(gateway: &Gateway) -> Answer {
    post(gateway.address, "/v1/charges", "k-1", "a").await
}

/// Checks the answer to the first retry: 504 if it arrived before the end of the lease and saw the execution
/// lost, otherwise 409.
async fn first_retry_is_told_unknown(gateway: &Gateway) {
    let told = retry(gateway).await;
    assert!([409, 504].contains(&told.status), "{told:?}");
    told.problem(told.status, "outcome-unknown", "unknown", "never");
}

#[tokio::test]
async fn who_waits_for_a_dead_owner_is_told_when_its_lease_is_over() {
    let upstream = Upstream::start().await;
    let long = || Settings::route("lease = \"6s\"").upstream("response_timeout = \"300ms\"");
    let mut gateway = Gateway::start(&upstream, long()).await;
    upstream.hold();
    let address = gateway.address;
    tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.send(keyed()).await;
        connection.try_answer().await
    });
    gateway.record_in("running").await;
    gateway.kill().await;
    let gateway = gateway.restart(&upstream, long()).await;
    retry(&gateway).await.problem(504, "outcome-unknown", "unknown", "never");
    retry(&gateway).await.problem(409, "outcome-unknown", "unknown", "never");
}

#[tokio::test]
async fn killed_before_the_send_the_outcome_is_unknown_and_nothing_runs() {
    for failpoint in ["after-claim", "before-send"] {
        let upstream = Upstream::start().await;
        let gateway = killed_at(failpoint, &upstream).await;
        first_retry_is_told_unknown(&gateway).await;
        retry(&gateway).await.problem(409, "outcome-unknown", "unknown", "never");
        assert_eq!(upstream.executions(), 0, "{failpoint}");
        assert_eq!(gateway.records("unknown").await[0]["reason"], "lease over");
    }
}

#[tokio::test]
async fn killed_while_the_upstream_works_it_never_runs_again() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, settings()).await;
    upstream.hold();
    let address = gateway.address;
    tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.send(keyed()).await;
        connection.try_answer().await
    });
    upstream.reached(1).await;
    gateway.kill().await;
    upstream.let_go();
    let gateway = gateway.restart(&upstream, settings()).await;
    first_retry_is_told_unknown(&gateway).await;
    retry(&gateway).await.problem(409, "outcome-unknown", "unknown", "never");
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn killed_between_the_answer_and_its_record_it_never_runs_again() {
    let upstream = Upstream::start().await;
    let gateway = killed_at("after-response", &upstream).await;
    first_retry_is_told_unknown(&gateway).await;
    assert_eq!(upstream.executions(), 1);
}

#[tokio::test]
async fn killed_after_the_record_the_answer_is_replayed() {
    let upstream = Upstream::start().await;
    let gateway = killed_at("after-complete", &upstream).await;
    let answer = retry(&gateway).await;
    assert!(answer.is_replay());
    assert_eq!((answer.status, answer.text(), upstream.executions()), (201, "{\"charge\":1}", 1));
}

/// No client asks again, and the metrics still show the lost execution.
#[tokio::test]
async fn the_sweeper_alone_makes_a_lost_execution_show() {
    let upstream = Upstream::start().await;
    let gateway = killed_at("after-response", &upstream).await;
    let record = gateway.record_in("unknown").await;
    assert_eq!((&record["execution"], &record["route"]), (&json!(1), &json!("pay")));
    assert_eq!(record["lease_until"], json!(null));
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, settings()).await;
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(post(gateway.address, "/v1/charges", &format!("k-{number}"), "a").await);
    }
    gateway.kill().await;
    let gateway = gateway.restart(&upstream, settings()).await;
    for (number, answer) in answers.iter().enumerate() {
        let retry = post(gateway.address, "/v1/charges", &format!("k-{number}"), "a").await;
        assert!(retry.is_replay());
        assert_eq!((retry.status, &retry.body), (answer.status, &answer.body));
    }
    assert_eq!(upstream.executions(), 20);
}

#[tokio::test]
async fn an_operator_settles_what_the_ledger_shows() {
    let upstream = Upstream::start().await;
    let gateway = killed_at("after-response", &upstream).await;
    let record = gateway.record_in("unknown").await;
    let resolve = format!("/v1/records/{}/resolve", record["id"].as_str().expect("an id"));
    let response = json!({ "status": 201, "headers": { "x-from": "ledger" }, "body_base64": "b2s=" });
    let body = json!({ "executed": true, "response": response, "note": "charge 1 is in the ledger" });
    assert_eq!(gateway.admin_post(&resolve, &body).await.json()["state"], "completed");
    let answer = retry(&gateway).await;
    assert!(answer.is_replay());
    assert_eq!((answer.status, answer.header("x-from"), answer.text()), (201, Some("ledger"), "ok"));
    gateway.logs("oncegate::audit").await;
}

#[tokio::test]
async fn not_executed_has_to_wait_and_then_runs_once_more() {
    let upstream = Upstream::start().await;
    // The time is long enough for the first resolution to come too early, even on a busy machine.
    let patient = Settings::route(SHORT).upstream("response_timeout = \"4s\"");
    let gateway = killed_with(patient, "before-send", &upstream).await;
    let record = gateway.record_in("unknown").await;
    let resolve = format!("/v1/records/{}/resolve", record["id"].as_str().expect("an id"));
    let body = json!({ "executed": false, "note": "not in the ledger" });
    let mut refused = 0;
    let resolved = loop {
        let told = gateway.admin_post(&resolve, &body).await;
        match told.status {
            409 => refused += 1,
            _ => break told,
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(refused > 0, "it was not too early at once");
    assert_eq!(resolved.json()["state"], "cleared");
    let answer = retry(&gateway).await;
    assert_eq!((answer.status, answer.is_replay(), upstream.executions()), (201, false, 1));
    assert!(upstream.seen()[0].header("idempotency-execution").ends_with(":2"));
}

/// The data belongs to one process at a time.
#[tokio::test]
async fn a_second_gateway_on_the_same_data_refuses_to_start() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, settings()).await;
    let store = format!("url = \"embedded:{}\"\nstart_timeout = \"300ms\"", gateway.data().display());
    let (status, printed) = gateway.refused(&upstream, settings().store(&store)).await;
    assert_eq!(status.code(), Some(1));
    assert!(printed.contains("data") && printed.contains("is in use"), "{printed}");
    assert!(printed.contains("is not there yet") && printed.contains("start_timeout"), "{printed}");
}
