//! The payment API without a gateway: what the other tests rely on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::api::{Api, Keys, Marker, Pause, Plan, Point, Protection};
use crate::harness::{Answer, Connection, request, request_bytes};

/// Sends one execution of an operation. Returns `None` if its answer is lost.
async fn send(api: &Api, execution: &str, body: &str) -> Option<Answer> {
    let headers = [("idempotency-key", "key"), ("idempotency-execution", execution)];
    let mut connection = Connection::open(api.address).await;
    connection.send(request_bytes("POST", "/v1/charges", &headers, body.as_bytes())).await;
    connection.try_answer().await
}

async fn charges(api: &Api) -> Vec<String> {
    api.effects_of("key").await.into_iter().map(|effect| effect.execution).collect()
}

#[tokio::test]
async fn without_protection_each_request_is_a_charge_and_a_search_finds_it_after_its_lag() {
    let api = Api::with(Protection::Absent, Duration::from_millis(300), "", |_| Plan::ANSWER_LOST).await;
    assert_eq!(send(&api, "a:1", "{}").await, None);
    let search = || request(api.address, "GET", "/search?idempotency_key=key", &[], "");
    assert_eq!(search().await.text(), "{\"data\":[]}");
    assert_eq!(send(&api, "a:2", "{}").await, None);
    assert_eq!(charges(&api).await, ["a:1", "a:2"]);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(search().await.json()["data"][0]["charge"], 1);
}

#[tokio::test]
async fn keys_are_recognised_for_their_life() {
    let life = Duration::from_millis(700);
    let api = Api::start(Protection::Keys(Keys::living(life)), |_| Plan::CHARGE).await;
    let first = send(&api, "a:1", "{}").await.expect("an answer");
    let second = send(&api, "a:2", "{}").await.expect("an answer");
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    assert_eq!(send(&api, "a:3", "[]").await.expect("an answer").status, 422);
    assert_eq!(charges(&api).await, ["a:1"]);
    sleep(life).await;
    let forgotten = send(&api, "a:4", "{}").await.expect("an answer");
    assert_ne!(forgotten.body, first.body);
    assert_eq!(charges(&api).await, ["a:1", "a:4"]);
}

#[tokio::test]
async fn a_key_is_in_use_while_its_request_runs_and_free_where_nothing_was_done() {
    let api = Api::start(Protection::Keys(Keys::living(Duration::from_secs(60))), |call| match call.number {
        1 => Plan::NEVER_ARRIVED,
        2 => Plan::CHARGE.written(Pause::Gate),
        _ => Plan::CHARGE,
    });
    let api = api.await;
    assert_eq!(send(&api, "a:1", "{}").await, None);
    let running = tokio::spawn({
        let api = Arc::clone(&api);
        async move { send(&api, "a:2", "{}").await }
    });
    api.reached(Point::Written, 2).await;
    assert_eq!(send(&api, "a:3", "{}").await.expect("an answer").status, 409);
    api.open_gate();
    assert_eq!(running.await.expect("no panic").expect("an answer").status, 201);
    assert_eq!(charges(&api).await, ["a:2"]);
}

#[tokio::test]
async fn a_marker_stops_the_second_charge_of_an_execution() {
    let api = Api::start(Protection::Marker(Marker::new(true).await), |_| Plan::CHARGE).await;
    assert_eq!(send(&api, "a:1", "{}").await.expect("an answer").status, 201);
    let conflict = send(&api, "a:1", "{}").await.expect("an answer");
    assert_eq!((conflict.status, conflict.header("idempotency-marker")), (409, Some("conflict")));
    assert_eq!(send(&api, "a:2", "{}").await.expect("an answer").status, 201);
    assert_eq!(charges(&api).await, ["a:1", "a:2"]);
}

/// The API works on after its client has gone, as a real one does.
#[tokio::test]
async fn a_closed_connection_stops_no_charge() {
    let marker = Protection::Marker(Marker::new(false).await);
    let api = Api::start(marker, |_| Plan::CHARGE.received(Pause::Gate)).await;
    let sent = tokio::spawn({
        let api = Arc::clone(&api);
        async move { send(&api, "a:1", "{}").await }
    });
    api.reached(Point::Received, 1).await;
    sent.abort();
    drop(sent.await);
    assert_eq!(charges(&api).await, Vec::<String>::new());
    api.open_gate();
    api.reached(Point::Committed, 1).await;
    assert_eq!(charges(&api).await, ["a:1"]);
}
